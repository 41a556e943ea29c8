// Secrets that no identity can stand for: the enrolment group's key, and logins of readers and backends. Their values come from people
// or from enrol.sh, never from a template.

import { Place } from 'types.bicep'

param place Place

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' = {
  name: place.names.vault
  location: place.location
  tags: place.tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: place.isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: place.isPrivate ? 'Deny' : 'Allow'
    }
  }
}

output uri string = vault.properties.vaultUri
