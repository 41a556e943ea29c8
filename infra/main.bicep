// A whole meterbridge: `az deployment sub create --location REGION --parameters infra/least.bicepparam`, or `azd up`.
// Choose a shape by its parameter file: least.bicepparam, full.bicepparam or private.bicepparam.
targetScope = 'subscription'

import { namesOf, Place, Scale } from 'types.bicep'

@description('Name of this environment: part of the resource group\'s name, and what tells two of them apart.')
@minLength(1)
@maxLength(40)
param environmentName string
@description('Region.')
param location string = deployment().location
@description('Everything behind private endpoints of this network, to be joined to a reader\'s; null: public endpoints.')
param network { addresses: string }?
@description('When TimerPoll runs: NCRONTAB with six fields.')
param schedule string = '0 * * * * *'
@description('Tier and units of the IoT hub, and whether it copies messages into Cosmos DB and lets devices upload photos.')
param hub { sku: 'F1' | 'B1' | 'B2' | 'B3' | 'S1' | 'S2' | 'S3', units: int, route: bool, photos: bool }
@description('Billing of Cosmos DB: serverless, or request units a second (400 and more; autoscale 1000 and more).')
param cosmos { mode: 'serverless' | 'manual' | 'autoscale', units: int, freeTier: bool }
@description('Memory of an instance in MB, instances at most, and what stays warm: `http` or `function:NAME`.')
param scale Scale
@description('Azure OpenAI for photos of meters; null: none.')
param openai { name: string, version: string, capacity: int }?
@description('Settings of the app besides those of settings.bicep, such as MESSAGE_FORMAT.')
param settings { *: string } = {}
@description('Settings whose values are secrets of the vault, such as { M2M_PASSWORD: \'m2m-password\' }.')
param vaulted { *: string } = {}
@description('Who is told by e-mail of alerts (empty: nobody), and after how many minutes without a reading.')
param alerting { email: string, silentMinutes: 15 | 30 | 45 | 60 | 120 | 180 | 240 | 300 | 360 }
@description('Gigabytes of logs a day at most; -1: no limit.')
param dailyGigabytes int = 1
@description('Who deploys, and may enrol devices, write secrets and run the app\'s code elsewhere; empty id: nobody.')
param deployer { id: string, type: 'User' | 'ServicePrincipal' } = { id: '', type: 'User' }

var tags = { 'azd-env-name': environmentName }
var place Place = {
  location: location
  tags: tags
  names: namesOf(uniqueString(subscription().id, environmentName, location))
  isPrivate: network != null
}
// Messages a day, by Microsoft Learn, "IoT Hub quotas and throttling".
var quota = { F1: 8000, B1: 400000, S1: 400000, B2: 6000000, S2: 6000000, B3: 300000000, S3: 300000000 }

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'identity.bicep' = { scope: group, params: { place: place } }
module storage 'storage.bicep' = { scope: group, params: { place: place } }
module photos 'photos.bicep' = if (hub.photos) { scope: group, params: { place: place } }
module vault 'vault.bicep' = { scope: group, params: { place: place } }
module insights 'insights.bicep' = { scope: group, params: { place: place, dailyGigabytes: dailyGigabytes } }
module net 'network.bicep' = if (network != null) {
  scope: group
  params: { place: place, addresses: network!.addresses }
}
module vision 'openai.bicep' = if (openai != null) { scope: group, params: { place: place, model: openai! } }
module store 'cosmos.bicep' = {
  scope: group
  params: { place: place, mode: cosmos.mode, units: cosmos.units, freeTier: cosmos.freeTier, route: hub.route }
}

var principals = {
  app: identity.outputs.app.principalId
  hub: identity.outputs.hub.principalId
  deployer: deployer.id
}

var has = { photos: hub.photos, route: hub.route, openai: openai != null }

module access 'access.bicep' = {
  scope: group
  params: { place: place, principals: principals, deployerType: deployer.type, has: has, stage: 'before the hub' }
  dependsOn: [storage, photos, store, vault, insights, vision]
}

module iot 'hub.bicep' = {
  scope: group
  params: {
    place: place
    sku: hub.sku
    units: hub.units
    identity: identity.outputs.hub.id
    route: hub.route ? { endpoint: store.outputs.endpoint, database: store.outputs.database } : null
    photos: hub.photos ? { account: place.names.photos, container: photos!.outputs.container } : null
  }
  // The hub looks at once whether its identity may write where it is to write.
  dependsOn: [access]
}

module provisioning 'provisioning.bicep' = { scope: group, params: { place: place }, dependsOn: [iot] }

module onHub 'access.bicep' = {
  scope: group
  params: { place: place, principals: principals, deployerType: deployer.type, has: has, stage: 'after the hub' }
  dependsOn: [iot, provisioning]
}

module doors 'endpoints.bicep' = if (network != null) {
  scope: group
  params: {
    place: place
    network: net!.outputs.id
    subnet: net!.outputs.endpoints
    has: { photos: hub.photos, openai: openai != null }
  }
  dependsOn: [storage, photos, store, vault, iot, provisioning, vision]
}

module app 'app.bicep' = {
  scope: group
  params: {
    place: place
    identity: identity.outputs.app
    packages: '${storage.outputs.blobEndpoint}${storage.outputs.packages}'
    plain: settings
    vaulted: vaulted
    scale: scale
    subnet: net.?outputs.app ?? ''
    deployed: {
      identity: identity.outputs.app
      storage: { blobEndpoint: storage.outputs.blobEndpoint, queueEndpoint: storage.outputs.queueEndpoint }
      cosmos: { endpoint: store.outputs.endpoint, database: store.outputs.database, container: store.outputs.container }
      provisioning: { idScope: provisioning.outputs.idScope, endpoint: provisioning.outputs.endpoint }
      vaultUri: vault.outputs.uri
      insights: insights.outputs.connectionString
      hubTier: hub.sku
      schedule: schedule
    }
  }
  // An instance starts as soon as there is an app, and asks for all of these.
  dependsOn: [access, onHub, doors]
}

module alerts 'alerts.bicep' = {
  scope: group
  params: {
    place: place
    workspace: insights.outputs.workspace
    hub: iot.outputs.id
    quota: quota[hub.sku] * hub.units
    silentMinutes: alerting.silentMinutes
    email: alerting.email
  }
}

module workbook 'workbook.bicep' = { scope: group, params: { place: place, workspace: insights.outputs.workspace } }

// For enrol.sh and for people; azd keeps them in its environment.
output AZURE_RESOURCE_GROUP string = group.name
output METERBRIDGE_APP string = place.names.site
output METERBRIDGE_URL string = 'https://${app.outputs.host}'
output METERBRIDGE_PROVISIONING string = place.names.provisioning
output METERBRIDGE_VAULT string = place.names.vault
