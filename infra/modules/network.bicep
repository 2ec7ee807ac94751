// A virtual network with two subnets: one that the app lives in, one for private endpoints.

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Name of the network.')
param networkName string

@description('Address space; at least a /24.')
param addressPrefix string

resource network 'Microsoft.Network/virtualNetworks@2025-01-01' = {
  name: networkName
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [addressPrefix]
    }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 1)
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }

  resource appSubnet 'subnets' existing = {
    name: 'app'
  }

  resource endpointSubnet 'subnets' existing = {
    name: 'endpoints'
  }
}

@description('Resource id of the network.')
output networkId string = network.id

@description('Subnet of the app.')
output appSubnetId string = network::appSubnet.id

@description('Subnet of the private endpoints.')
output endpointSubnetId string = network::endpointSubnet.id
