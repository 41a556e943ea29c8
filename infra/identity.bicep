// Two identities of their own, made before anything that needs them: roles can then be granted before the app or the hub exists. An
// identity that a resource makes for itself is only known afterwards, and would force a second deployment.

import { Identity, Place } from 'types.bicep'

param place Place

resource app 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: place.names.appIdentity
  location: place.location
  tags: place.tags
}

resource hub 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: place.names.hubIdentity
  location: place.location
  tags: place.tags
}

output app Identity = {
  id: app.id
  clientId: app.properties.clientId
  principalId: app.properties.principalId
}

output hub Identity = {
  id: hub.id
  clientId: hub.properties.clientId
  principalId: hub.properties.principalId
}
