// Behind private endpoints: for readers on a company's network that is joined to the app's. Messages are not copied into Cosmos DB,
// since a hub does not write through private endpoints.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'meterbridge')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param deployer = {
  id: readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
  type: readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User') == 'User' ? 'User' : 'ServicePrincipal'
}

param network = { addresses: '10.90.0.0/24' }
param hub = { sku: 'S1', units: 1, route: false, photos: true }
param cosmos = { mode: 'manual', units: 400, freeTier: false }
param scale = { memory: 2048, maximumInstances: 40, alwaysReady: [{ name: 'function:TimerPoll', instanceCount: 1 }] }
param alerting = { email: readEnvironmentVariable('METERBRIDGE_ALERT_EMAIL', ''), silentMinutes: 60 }
// The WebPassword of a reader, as sources.example.toml names it.
param vaulted = { READER_PASSWORD: 'reader-password' }
