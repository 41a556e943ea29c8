// Everything: messages copied into Cosmos DB, photos from devices and their description, one worker and the API kept warm.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'meterbridge')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param deployer = {
  id: readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
  type: readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User') == 'User' ? 'User' : 'ServicePrincipal'
}

param hub = { sku: 'S1', units: 1, route: true, photos: true }
param cosmos = { mode: 'autoscale', units: 1000, freeTier: false }
param scale = {
  memory: 2048
  maximumInstances: 100
  alwaysReady: [
    { name: 'http', instanceCount: 1 }
    { name: 'function:PollWorker', instanceCount: 1 }
  ]
}
param alerting = { email: readEnvironmentVariable('METERBRIDGE_ALERT_EMAIL', ''), silentMinutes: 30 }
param openai = { name: 'gpt-4.1-mini', version: '2025-04-14', capacity: 10 }
param dailyGigabytes = 5
// The login of a rapidM2M backend, as sources.example.toml names it.
param vaulted = { M2M_PASSWORD: 'm2m-password' }
