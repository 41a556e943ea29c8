// Device Provisioning Service: every source becomes a device of its own, with a key derived from the enrolment group's. The group itself
// is data of the service and cannot be a resource; enrol.sh makes it.

import { Place } from 'types.bicep'

param place Place

resource linked 'Microsoft.Devices/IotHubs@2023-06-30' existing = { name: place.names.hub }

// The one place where a key is used: this version of the service links a hub by connection string only. It stays inside this
// deployment and is in no output.
var key = first(filter(linked.listkeys().value, key => key.keyName == 'provisioning'))!.primaryKey

resource provisioning 'Microsoft.Devices/provisioningServices@2022-12-12' = {
  name: place.names.provisioning
  location: place.location
  tags: place.tags
  sku: { name: 'S1', capacity: 1 }
  properties: {
    publicNetworkAccess: place.isPrivate ? 'Disabled' : 'Enabled'
    iotHubs: [
      {
        location: place.location
        connectionString: 'HostName=${linked.properties.hostName};SharedAccessKeyName=provisioning;SharedAccessKey=${key}'
      }
    ]
  }
}

output idScope string = provisioning.properties.idScope
// The global name is not reached through a private endpoint; the service's own is.
output endpoint string = place.isPrivate
  ? provisioning.properties.serviceOperationsHostName
  : provisioning.properties.deviceProvisioningHostName
