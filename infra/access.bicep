// Every role assignment there is, in one table: who may do what on what. infra/roles.toml says what for, and the tests compare the two.

import { assigned, roles } from 'roles.bicep'
import { Place } from 'types.bicep'

param place Place

// Principal ids. The deployer is optional: who runs enrol.sh, and the app's code on their own machine.
param principals { app: string, hub: string, deployer: string }
param deployerType 'User' | 'ServicePrincipal'

// What there is besides what is always there.
param has { photos: bool, route: bool, openai: bool }

// main.bicep calls this twice: the hub's own roles must be there before the hub, and roles on the hub and
// on what is linked to it after it.
param stage 'before the hub' | 'after the hub'

// The table. Cosmos DB has roles of its own kind: below.
var table = [
  { who: 'app', on: 'storage', role: roles.blobOwner }
  { who: 'app', on: 'storage', role: roles.queueContributor }
  { who: 'app', on: 'photos', role: roles.blobContributor }
  { who: 'app', on: 'hub', role: roles.hubContributor }
  { who: 'app', on: 'vault', role: roles.secretsUser }
  { who: 'app', on: 'insights', role: roles.metricsPublisher }
  { who: 'app', on: 'openai', role: roles.openaiUser }
  { who: 'hub', on: 'photos', role: roles.blobContributor }
  { who: 'deployer', on: 'storage', role: roles.blobOwner }
  { who: 'deployer', on: 'storage', role: roles.queueContributor }
  { who: 'deployer', on: 'photos', role: roles.blobContributor }
  { who: 'deployer', on: 'hub', role: roles.hubContributor }
  { who: 'deployer', on: 'provisioning', role: roles.enroller }
  { who: 'deployer', on: 'vault', role: roles.secretsOfficer }
  { who: 'deployer', on: 'openai', role: roles.openaiUser }
]

var early = stage == 'before the hub'
var there = {
  storage: early
  photos: early && has.photos
  hub: !early
  provisioning: !early
  vault: early
  insights: early
  openai: early && has.openai
}
var grants = filter(table, grant => there[grant.on] && (grant.who != 'deployer' || !empty(principals.deployer)))

var types = { app: 'ServicePrincipal', hub: 'ServicePrincipal', deployer: deployerType }

resource storage 'Microsoft.Storage/storageAccounts@2026-06-01' existing = { name: place.names.storage }

resource onStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(grants, grant => grant.on == 'storage'): {
    name: guid(storage.id, grant.who, grant.role)
    scope: storage
    properties: assigned(principals[grant.who], types[grant.who], grant.role)
  }
]

resource photos 'Microsoft.Storage/storageAccounts@2026-06-01' existing = if (has.photos) { name: place.names.photos }

resource onPhotos 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(grants, grant => grant.on == 'photos'): {
    name: guid(photos.id, grant.who, grant.role)
    scope: photos
    properties: assigned(principals[grant.who], types[grant.who], grant.role)
  }
]

resource hub 'Microsoft.Devices/IotHubs@2023-06-30' existing = if (!early) { name: place.names.hub }

resource onHub 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(grants, grant => grant.on == 'hub'): {
    name: guid(hub.id, grant.who, grant.role)
    scope: hub
    properties: assigned(principals[grant.who], types[grant.who], grant.role)
  }
]

resource provisioning 'Microsoft.Devices/provisioningServices@2022-12-12' existing = if (!early) {
  name: place.names.provisioning
}

resource onProvisioning 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(grants, grant => grant.on == 'provisioning'): {
    name: guid(provisioning.id, grant.who, grant.role)
    scope: provisioning
    properties: assigned(principals[grant.who], types[grant.who], grant.role)
  }
]

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' existing = { name: place.names.vault }

resource onVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(grants, grant => grant.on == 'vault'): {
    name: guid(vault.id, grant.who, grant.role)
    scope: vault
    properties: assigned(principals[grant.who], types[grant.who], grant.role)
  }
]

resource insights 'Microsoft.Insights/components@2020-02-02' existing = { name: place.names.insights }

resource onInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(grants, grant => grant.on == 'insights'): {
    name: guid(insights.id, grant.who, grant.role)
    scope: insights
    properties: assigned(principals[grant.who], types[grant.who], grant.role)
  }
]

resource openai 'Microsoft.CognitiveServices/accounts@2026-07-01' existing = if (has.openai) {
  name: place.names.openai
}

resource onOpenai 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(grants, grant => grant.on == 'openai'): {
    name: guid(openai.id, grant.who, grant.role)
    scope: openai
    properties: assigned(principals[grant.who], types[grant.who], grant.role)
  }
]

// Cosmos DB's data roles: Built-in Data Contributor, for the app on the database, for the hub on the one container that it writes.
var contributor = '00000000-0000-0000-0000-000000000002'
var data = !early
  ? []
  : concat(
      [{ who: 'app', below: '/dbs/meterbridge' }],
      empty(principals.deployer) ? [] : [{ who: 'deployer', below: '/dbs/meterbridge' }],
      has.route ? [{ who: 'hub', below: '/dbs/meterbridge/colls/telemetry' }] : []
    )

resource cosmos 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' existing = { name: place.names.cosmos }

@batchSize(1) // The account takes one such change at a time.
resource onCosmos 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2026-03-15' = [
  for grant in data: {
    parent: cosmos
    name: guid(cosmos.id, grant.who, contributor)
    properties: {
      principalId: principals[grant.who]
      roleDefinitionId: '${cosmos.id}/sqlRoleDefinitions/${contributor}'
      scope: '${cosmos.id}${grant.below}'
    }
  }
]
