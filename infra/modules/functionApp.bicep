// The function app on Flex Consumption: Python 3.13, its identity, its settings.

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Name of the plan.')
param planName string

@description('Name of the app; below 32 characters.')
@maxLength(31)
param appName string

@description('Resource id of the user-assigned identity.')
param identityId string

@description('Client id of the same identity.')
param identityClientId string

@description('Subnet that the app lives in; empty for none.')
param subnetId string

@description('Whether the app answers the internet.')
param publicEndpoint bool

@description('Container of the deployed package.')
param packageUri string

@description('Blob endpoint of the host storage account.')
param hostBlobUri string

@description('Blob endpoint of the data storage account.')
param dataBlobUri string

@description('Table endpoint of the data storage account.')
param dataTableUri string

@description('Key vault reference to the first API key.')
param key1Reference string

@description('Key vault reference to the second API key.')
param key2Reference string

@description('Where metrics go.')
param insightsConnection string

@description('Loops as code.')
param loops object

@description('When to train.')
param trainSchedule string

@description('Further app settings.')
param appSettings object

@description('Calls that one instance serves at the same time.')
param perInstanceConcurrency int

@description('Instances that never sleep.')
param alwaysReadyInstances int

@description('Upper limit of instances.')
param maximumInstanceCount int

@description('Memory of one instance.')
param instanceMemoryMB int

@description('Spread over availability zones.')
param zoneRedundant bool

var settings = union(appSettings, {
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
  APPLICATIONINSIGHTS_SDKSTATS_DISABLED: 'true' // no metrics of the exporter about itself,
  APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL: 'true' // and none to its makers
  AzureWebJobsDisableHomepage: 'true' // the root is the app's own
  AzureWebJobsStorage__blobServiceUri: hostBlobUri
  AzureWebJobsStorage__clientId: identityClientId
  AzureWebJobsStorage__credential: 'managedidentity'
  DATA_STORAGE__blobServiceUri: dataBlobUri
  DATA_STORAGE__clientId: identityClientId
  DATA_STORAGE__tableServiceUri: dataTableUri
  LOOPS: empty(loops) ? '' : string(loops)
  PERSONALIZER_KEY_1: key1Reference
  PERSONALIZER_KEY_2: key2Reference
  TRAIN_SCHEDULE: trainSchedule
})

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: appName
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    publicNetworkAccess: publicEndpoint ? 'Enabled' : 'Disabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageUri
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        alwaysReady: alwaysReadyInstances == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyInstances }]
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        triggers: {
          http: {
            perInstanceConcurrency: perInstanceConcurrency
          }
        }
      }
    }
    siteConfig: {
      appSettings: map(items(settings), setting => { name: setting.key, value: setting.value })
      ftpsState: 'Disabled'
      http20Enabled: true
      minTlsVersion: '1.2'
    }
  }
}

resource basicPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = [
  for method in ['ftp', 'scm']: {
    parent: app
    name: method
    properties: {
      allow: false
    }
  }
]

@description('Resource id of the app.')
output appId string = app.id

@description('Name of the app.')
output appName string = app.name

@description('Where the app answers.')
output endpoint string = 'https://${app.properties.defaultHostName}'
