// The host's storage: the package, the timer's lease and status, function keys, and the queue between TimerPoll and PollWorker. Shared
// keys are off, so that the app's identity is the only way in.

import { Place } from 'types.bicep'

param place Place

resource account 'Microsoft.Storage/storageAccounts@2026-06-01' = {
  name: place.names.storage
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
    publicNetworkAccess: place.isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: place.isPrivate ? 'Deny' : 'Allow'
    }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      // A package that was deleted by mistake can be had back for a week.
      deleteRetentionPolicy: { enabled: true, days: 7 }
    }

    // The platform keeps the published zip here and starts every instance from it.
    resource packages 'containers' = {
      name: 'packages'
      properties: { publicAccess: 'None' }
    }
  }

  resource queues 'queueServices' = {
    name: 'default'
    properties: {}

    // The names of the function.json files. The host would make them itself; made here, the alert's queue exists from the start.
    resource jobs 'queues' = [
      for name in ['meterbridge-polls', 'meterbridge-polls-poison']: {
        name: name
        properties: {}
      }
    ]
  }
}

output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output packages string = account::blobs::packages.name
