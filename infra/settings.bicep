// The app's settings, in one table. Only what a deployment knows better than the program's defaults stands here; infra/settings.toml
// says of every other setting why it is left alone, and the tests compare both with the program's own table.

import { Identity } from 'types.bicep'

// What the table is made of.
@export()
type Deployed = {
  identity: Identity
  storage: { blobEndpoint: string, queueEndpoint: string }
  cosmos: { endpoint: string, database: string, container: string }
  provisioning: { idScope: string, endpoint: string }
  vaultUri: string
  insights: string
  hubTier: string
  schedule: string
}

// The settings. `plain` is set besides; `vaulted` names a secret of the vault for each setting.
@export()
func appSettings(of Deployed, plain { *: string }, vaulted { *: string }) { *: string } =>
  union(
    {
      // The host's own storage, by identity.
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: of.identity.clientId
      AzureWebJobsStorage__blobServiceUri: of.storage.blobEndpoint
      AzureWebJobsStorage__queueServiceUri: of.storage.queueEndpoint
      // The operations API has `/` to itself.
      AzureWebJobsDisableHomepage: 'true'
      // Telemetry, by identity: the connection string only says where to.
      APPLICATIONINSIGHTS_CONNECTION_STRING: of.insights
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${of.identity.clientId};Authorization=AAD'

      TimerSchedule: of.schedule
      COSMOS_ENDPOINT: of.cosmos.endpoint
      COSMOS_CLIENT_ID: of.identity.clientId
      COSMOS_DATABASE: of.cosmos.database
      COSMOS_CONTAINER: of.cosmos.container
      DPS_ID_SCOPE: of.provisioning.idScope
      DPS_ENDPOINT: of.provisioning.endpoint
      // Written by enrol.sh after the deployment; until then the program says which setting it waits for.
      DPS_GROUP_KEY: '@Microsoft.KeyVault(SecretUri=${of.vaultUri}secrets/dps-group-key)'
      IOTHUB_TIER: of.hubTier
    },
    plain,
    mapValues(vaulted, name => '@Microsoft.KeyVault(SecretUri=${of.vaultUri}secrets/${name})')
  )
