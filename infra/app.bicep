// The Functions app on Flex Consumption: a custom handler, its package in blob storage, everything by identity.

import { Identity, Place, Scale } from 'types.bicep'
import { Deployed, appSettings } from 'settings.bicep'

param place Place
param identity Identity
param deployed Deployed
// `https://account/container` of the package.
param packages string
param plain { *: string }
param vaulted { *: string }
param scale Scale
// Subnet for outgoing calls; empty: none.
param subnet string

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: place.names.plan
  location: place.location
  tags: place.tags
  kind: 'functionapp'
  sku: { tier: 'FlexConsumption', name: 'FC1' }
  properties: { reserved: true }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: place.names.site
  location: place.location
  // By this tag azd finds what it publishes to.
  tags: union(place.tags, { 'azd-service-name': 'meterbridge' })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    // Callers need a function key, and readers' owners have no VPN: this door stays open in every shape.
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(subnet) ? null : subnet
    keyVaultReferenceIdentity: identity.id
    functionAppConfig: {
      // Any other version is accepted here, and the app then dies at its start.
      runtime: { name: 'custom', version: '1.0' }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packages
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identity.id }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: scale.memory
        maximumInstanceCount: scale.maximumInstances
        alwaysReady: scale.alwaysReady
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
    }
  }

  // The publishing password is off: packages come by Entra ID.
  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }

  resource settings 'config' = {
    name: 'appsettings'
    properties: appSettings(deployed, plain, vaulted)
  }
}

output name string = site.name
output id string = site.id
output host string = site.properties.defaultHostName
