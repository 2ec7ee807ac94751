// The two storage accounts: the platform's own, and the one that holds everything of the loops.

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Name of the account for the host: its locks, and the deployed package.')
param hostName string

@description('Name of the account for events, models, settings and logs.')
param dataName string

@description('Redundancy.')
param sku string

@description('Days for which overwritten or deleted blobs of the data account can be restored.')
param softDeleteDays int

@description('Names of the loops whose logs have lifecycle rules.')
param loopNames array

@description('Days after which the joined log moves to the cool tier; 0 for never.')
param coolLogAfterDays int

@description('Days after which the joined log is deleted; 0 for never.')
param deleteLogAfterDays int

@description('Whether the accounts answer outside the virtual network.')
param publicAccess bool

var packageContainer = 'packages'
var dataContainer = 'personalizer' // the name that the app uses

var security = {
  allowBlobPublicAccess: false
  allowCrossTenantReplication: false
  allowSharedKeyAccess: false
  defaultToOAuthAuthentication: true
  minimumTlsVersion: 'TLS1_2'
  networkAcls: {
    bypass: 'AzureServices'
    defaultAction: publicAccess ? 'Allow' : 'Deny'
  }
  publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
  supportsHttpsTrafficOnly: true
}

resource host 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: hostName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: security
}

resource hostBlobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: host
  name: 'default'
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: hostBlobs
  name: packageContainer
}

resource data 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: dataName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: security
}

// Soft delete keeps what was overwritten too, so every older state and model can be restored.
resource dataBlobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: data
  name: 'default'
  properties: {
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
  }
}

resource personalizer 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: dataBlobs
  name: dataContainer
}

var cool = { tierToCool: { daysAfterModificationGreaterThan: coolLogAfterDays } }
var delete = { delete: { daysAfterModificationGreaterThan: deleteLogAfterDays } }
var logActions = union(coolLogAfterDays > 0 ? cool : {}, deleteLogAfterDays > 0 ? delete : {})

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = if (!empty(logActions)) {
  parent: data
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'joined-log'
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: map(loopNames, loop => '${dataContainer}/${loop}/log/')
            }
            actions: {
              baseBlob: logActions
            }
          }
        }
      ]
    }
  }
  dependsOn: [dataBlobs]
}

@description('Resource id of the host account.')
output hostId string = host.id

@description('Name of the host account.')
output hostName string = host.name

@description('Name of the data account.')
output dataName string = data.name

@description('Resource id of the data account.')
output dataId string = data.id

@description('Blob endpoint of the host account.')
output hostBlobUri string = host.properties.primaryEndpoints.blob

@description('Where the deployed package is kept.')
output packageUri string = '${host.properties.primaryEndpoints.blob}${packageContainer}'

@description('Blob endpoint of the data account.')
output dataBlobUri string = data.properties.primaryEndpoints.blob

@description('Table endpoint of the data account.')
output dataTableUri string = data.properties.primaryEndpoints.table
