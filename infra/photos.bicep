// What devices upload through the hub, such as photos of a meter. An account of its own: the hub asks for a connection string here even
// when it logs in by identity, and nothing else shall share an account with that.

import { Place } from 'types.bicep'

param place Place

resource account 'Microsoft.Storage/storageAccounts@2026-06-01' = {
  name: place.names.photos
  location: place.location
  tags: place.tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // The hub does not write through private endpoints: it comes in as a trusted service, so the public door stays, shut to all others.
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: place.isPrivate ? 'Deny' : 'Allow'
    }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: 7 }
    }

    resource photos 'containers' = {
      name: 'photos'
      properties: { publicAccess: 'None' }
    }
  }
}

output blobEndpoint string = account.properties.primaryEndpoints.blob
output container string = account::blobs::photos.name
