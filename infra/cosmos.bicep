// The store: one container, one partition per source. Account keys are off; roles are granted in access.bicep.

import { Place } from 'types.bicep'

param place Place

// Serverless bills what is used; manual and autoscale reserve `units` request units a second for each container.
param mode 'serverless' | 'manual' | 'autoscale'
param units int
// 1000 request units a second for nothing, on one account of a subscription; not for serverless.
param freeTier bool
// Whether the hub writes messages to a container of their own.
param route bool

var throughput = mode == 'manual'
  ? { throughput: units }
  : mode == 'autoscale' ? { autoscaleSettings: { maxThroughput: units } } : {}

resource account 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' = {
  name: place.names.cosmos
  location: place.location
  tags: place.tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    locations: [{ locationName: place.location, failoverPriority: 0, isZoneRedundant: false }]
    // The claim of a source is a write conditional on its version, in one region; session consistency is enough for it.
    consistencyPolicy: { defaultConsistencyLevel: 'Session' }
    capabilities: mode == 'serverless' ? [{ name: 'EnableServerless' }] : []
    enableFreeTier: freeTier
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: place.isPrivate ? 'Disabled' : 'Enabled'
    // Seven days back to any second cost nothing. A store set back repeats messages under new ids: see the README before using it.
    backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }
  }

  resource database 'sqlDatabases' = {
    name: 'meterbridge'
    properties: { resource: { id: 'meterbridge' } }

    resource polls 'containers' = {
      name: 'polls'
      properties: {
        options: throughput
        resource: {
          id: 'polls'
          partitionKey: { paths: ['/source'], kind: 'Hash', version: 2 }
          // On, without a default: a document stays until its own `ttl` says otherwise.
          defaultTtl: -1
          // What questions ask for; everything else would only make writes dearer.
          indexingPolicy: {
            indexingMode: 'consistent'
            automatic: true
            includedPaths: [for path in ['kind', 'nextDue', 'at', 'outcome', 'runner', 'shard']: { path: '/${path}/?' }]
            excludedPaths: [{ path: '/*' }]
          }
        }
      }
    }

    // Messages as the hub has them. A partition holds a device's month, well below the 20 GB that one may have.
    resource telemetry 'containers' = if (route) {
      name: 'telemetry'
      properties: {
        options: throughput
        resource: {
          id: 'telemetry'
          partitionKey: { paths: ['/deviceMonth'], kind: 'Hash', version: 2 }
          defaultTtl: -1
        }
      }
    }
  }
}

output endpoint string = account.properties.documentEndpoint
output database string = account::database.name
output container string = account::database::polls.name
