// IoT Hub: where readings go. Devices log in with their own keys; services by identity.

import { Place } from 'types.bicep'

param place Place

param sku 'F1' | 'B1' | 'B2' | 'B3' | 'S1' | 'S2' | 'S3'
param units int
// Resource id of the hub's identity, which access.bicep has given its roles before this runs.
param identity string
// The Cosmos DB account's endpoint and database that messages are routed to; null: they stay at the built-in endpoint.
param route { endpoint: string, database: string }?
// The storage account and container that devices upload to; null: uploads are off.
param photos { account: string, container: string }?

resource hub 'Microsoft.Devices/IotHubs@2023-06-30' = {
  name: place.names.hub
  location: place.location
  tags: place.tags
  sku: { name: sku, capacity: units }
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity}': {} } }
  properties: {
    minTlsVersion: '1.2'
    publicNetworkAccess: place.isPrivate ? 'Disabled' : 'Enabled'
    // Devices sign with their keys, and the Device Provisioning Service needs a policy: so both stay on.
    disableDeviceSAS: false
    disableLocalAuth: false
    disableModuleSAS: true
    // The only shared key of the hub, with the two rights that provisioning needs. Named, it takes the place of the usual five policies.
    authorizationPolicies: [{ keyName: 'provisioning', rights: 'RegistryWrite, ServiceConnect' }]
    enableFileUploadNotifications: photos != null
    storageEndpoints: photos == null
      ? {}
      : {
          '$default': {
            authenticationType: 'identityBased'
            identity: { userAssignedIdentity: identity }
            // Asked for even here; it names the account and holds no key.
            connectionString: 'DefaultEndpointsProtocol=https;EndpointSuffix=${environment().suffixes.storage};AccountName=${photos!.account}'
            containerName: photos!.container
            sasTtlAsIso8601: 'PT1H'
          }
        }
    routing: {
      endpoints: {
        cosmosDBSqlContainers: route == null
          ? []
          : [
              {
                name: 'cosmos'
                authenticationType: 'identityBased'
                identity: { userAssignedIdentity: identity }
                endpointUri: route!.endpoint
                databaseName: route!.database
                containerName: 'telemetry'
                partitionKeyName: 'deviceMonth'
                partitionKeyTemplate: '{deviceid}-{YYYY}-{MM}'
              }
            ]
      }
      // A routed message no longer reaches the built-in endpoint, unless a second route says so.
      routes: route == null
        ? []
        : [
            {
              name: 'to-cosmos'
              source: 'DeviceMessages'
              condition: 'true'
              endpointNames: ['cosmos']
              isEnabled: true
            }
            {
              name: 'to-events'
              source: 'DeviceMessages'
              condition: 'true'
              endpointNames: ['events']
              isEnabled: true
            }
          ]
      fallbackRoute: {
        name: '$fallback'
        source: 'DeviceMessages'
        condition: 'true'
        endpointNames: ['events']
        isEnabled: true
      }
    }
  }
}

output id string = hub.id
