// What modules pass to each other, and the names of everything.

// Where a resource belongs. Every module takes it.
@export()
type Place = {
  location: string
  tags: { *: string }
  names: Names
  // Reached through private endpoints only.
  isPrivate: bool
}

// Names that are known before anything is made; roles are granted by them.
@export()
type Names = {
  appIdentity: string
  hubIdentity: string
  storage: string
  photos: string
  cosmos: string
  hub: string
  provisioning: string
  vault: string
  workspace: string
  insights: string
  openai: string
  plan: string
  site: string
  network: string
  // Unique letters, for names that nothing refers to.
  token: string
}

// The names of one subscription, environment and region.
@export()
func namesOf(token string) Names => {
  appIdentity: 'id-app-${token}'
  hubIdentity: 'id-hub-${token}'
  storage: 'st${token}'
  photos: 'stphotos${token}'
  cosmos: 'cosmos-${token}'
  hub: 'iot-${token}'
  provisioning: 'dps-${token}'
  vault: 'kv-${token}'
  workspace: 'log-${token}'
  insights: 'appi-${token}'
  openai: 'oai-${token}'
  plan: 'plan-${token}'
  site: 'func-${token}'
  network: 'vnet-${token}'
  token: token
}

// What others need of an identity; none of it is secret.
@export()
type Identity = {
  // Resource id: attaches the identity to a resource.
  id: string
  // Names it when a token is asked for.
  clientId: string
  // Names it when a role is granted.
  principalId: string
}

// What the app may use.
@export()
type Scale = {
  // MB of one instance.
  memory: 512 | 2048 | 4096
  @minValue(1)
  @maxValue(1000)
  maximumInstances: int
  // What stays warm, at the price of its memory all day: `http`, or `function:NAME`.
  alwaysReady: { name: string, instanceCount: int }[]
}
