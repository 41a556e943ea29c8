// Private endpoints, and the DNS zones by which names lead to them inside the network. One row of `doors` per service.

import { Place } from 'types.bicep'

param place Place
param network string
param subnet string

// What there is besides what is always there.
param has { photos: bool, openai: bool }

// The zones by short names; how many are needed must be known before the names are.
var zoneNames = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  cosmos: 'privatelink.documents.azure.com'
  vault: 'privatelink.vaultcore.azure.net'
  hub: 'privatelink.azure-devices.net'
  // Of the hub's endpoint that consumers read messages from.
  events: 'privatelink.servicebus.windows.net'
  dps: 'privatelink.azure-devices-provisioning.net'
  openai: 'privatelink.openai.azure.com'
}

var storage = resourceId('Microsoft.Storage/storageAccounts', place.names.storage)
var photos = resourceId('Microsoft.Storage/storageAccounts', place.names.photos)
var cosmos = resourceId('Microsoft.DocumentDB/databaseAccounts', place.names.cosmos)
var vault = resourceId('Microsoft.KeyVault/vaults', place.names.vault)
var hub = resourceId('Microsoft.Devices/IotHubs', place.names.hub)
var provisioning = resourceId('Microsoft.Devices/provisioningServices', place.names.provisioning)
var openai = resourceId('Microsoft.CognitiveServices/accounts', place.names.openai)

var doors = concat(
  [
    { name: 'blob', target: storage, group: 'blob', zones: ['blob'] }
    { name: 'queue', target: storage, group: 'queue', zones: ['queue'] }
    { name: 'cosmos', target: cosmos, group: 'Sql', zones: ['cosmos'] }
    { name: 'vault', target: vault, group: 'vault', zones: ['vault'] }
    { name: 'hub', target: hub, group: 'iotHub', zones: ['hub', 'events'] }
    { name: 'dps', target: provisioning, group: 'iotDps', zones: ['dps'] }
  ],
  has.photos ? [{ name: 'photos', target: photos, group: 'blob', zones: ['blob'] }] : [],
  has.openai ? [{ name: 'openai', target: openai, group: 'account', zones: ['openai'] }] : []
)
var zones = union(flatten(map(doors, door => door.zones)), [])

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for key in zones: {
    name: zoneNames[key]
    location: 'global'
    tags: place.tags
  }
]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (key, i) in zones: {
    parent: zone[i]
    name: 'network'
    location: 'global'
    tags: place.tags
    properties: { virtualNetwork: { id: network }, registrationEnabled: false }
  }
]

resource endpoint 'Microsoft.Network/privateEndpoints@2026-03-01' = [
  for door in doors: {
    name: 'pe-${door.name}-${place.names.token}'
    location: place.location
    tags: place.tags
    properties: {
      subnet: { id: subnet }
      privateLinkServiceConnections: [
        { name: door.name, properties: { privateLinkServiceId: door.target, groupIds: [door.group] } }
      ]
    }
  }
]

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2026-03-01' = [
  for (door, i) in doors: {
    parent: endpoint[i]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        for key in door.zones: {
          name: key
          properties: { privateDnsZoneId: zone[indexOf(zones, key)].id }
        }
      ]
    }
  }
]
