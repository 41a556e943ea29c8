// Azure OpenAI, for describing and reading photos of meters. Reached by identity alone.

import { Place } from 'types.bicep'

param place Place

param model { name: string, version: string, capacity: int }

resource account 'Microsoft.CognitiveServices/accounts@2026-07-01' = {
  name: place.names.openai
  location: place.location
  tags: place.tags
  kind: 'OpenAI'
  sku: { name: 'S0' }
  properties: {
    // Logging in by identity needs a name of the account's own.
    customSubDomainName: place.names.openai
    disableLocalAuth: true
    publicNetworkAccess: place.isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: { defaultAction: place.isPrivate ? 'Deny' : 'Allow' }
  }

  resource vision 'deployments' = {
    name: 'vision'
    sku: { name: 'GlobalStandard', capacity: model.capacity }
    properties: { model: { format: 'OpenAI', name: model.name, version: model.version } }
  }
}

output endpoint string = account.properties.endpoint
