// Least cost: little costs anything while nothing happens. The free hub exists once in a subscription and takes 8000 messages of half a
// kilobyte a day; write S1 where that is too little or taken.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'meterbridge')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param deployer = {
  id: readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
  type: readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User') == 'User' ? 'User' : 'ServicePrincipal'
}

param hub = { sku: 'F1', units: 1, route: false, photos: false }
param cosmos = { mode: 'serverless', units: 400, freeTier: false }
param scale = { memory: 512, maximumInstances: 40, alwaysReady: [] }
param alerting = { email: readEnvironmentVariable('METERBRIDGE_ALERT_EMAIL', ''), silentMinutes: 60 }
