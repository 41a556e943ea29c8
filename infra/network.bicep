// The app's own network, for the private shape. Whoever has readers on a private network joins it to this one, by VPN or peering: the
// app's calls then leave from the subnet `app` and reach private addresses.

import { Place } from 'types.bicep'

param place Place

// Must not overlap with a network that is to be joined; a /24 or larger.
param addresses string

resource network 'Microsoft.Network/virtualNetworks@2026-03-01' = {
  name: place.names.network
  location: place.location
  tags: place.tags
  properties: {
    addressSpace: { addressPrefixes: [addresses] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addresses, 26, 0)
          // Flex Consumption wants a subnet of its own, delegated to container environments.
          delegations: [{ name: 'app', properties: { serviceName: 'Microsoft.App/environments' } }]
          networkSecurityGroup: { id: outgoing.id }
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addresses, 26, 1)
          networkSecurityGroup: { id: inside.id }
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }
}

// Nothing calls into the app's subnet; callers come through the platform's front door.
resource outgoing 'Microsoft.Network/networkSecurityGroups@2026-03-01' = {
  name: 'nsg-app-${place.names.token}'
  location: place.location
  tags: place.tags
  properties: { securityRules: [deny] }
}

// Private endpoints answer the network, and what is joined to it, over TLS.
resource inside 'Microsoft.Network/networkSecurityGroups@2026-03-01' = {
  name: 'nsg-endpoints-${place.names.token}'
  location: place.location
  tags: place.tags
  properties: {
    securityRules: [
      {
        name: 'tls-from-the-network'
        properties: {
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: 'VirtualNetwork'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          // 8883: devices that speak MQTT; 5671: clients of the hub that speak AMQP.
          destinationPortRanges: ['443', '5671', '8883']
        }
      }
      deny
    ]
  }
}

var deny = {
  name: 'nothing-else'
  properties: {
    priority: 4096
    direction: 'Inbound'
    access: 'Deny'
    protocol: '*'
    sourceAddressPrefix: '*'
    sourcePortRange: '*'
    destinationAddressPrefix: '*'
    destinationPortRange: '*'
  }
}

output id string = network.id
output app string = resourceId('Microsoft.Network/virtualNetworks/subnets', network.name, 'app')
output endpoints string = resourceId('Microsoft.Network/virtualNetworks/subnets', network.name, 'endpoints')
