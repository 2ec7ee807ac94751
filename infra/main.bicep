// One loop's home in one resource group. README.md and docs/operations.md say how to deploy it.

metadata description = 'Open Personalizer: function app, storage, keys, and what watches them.'

// -- what to build, and where ---------------------------------------------------------------

@description('Short name of this installation, of lower-case letters, digits and hyphens; in every resource name.')
@minLength(2)
@maxLength(16)
param name string

@description('Region of all resources.')
param location string = resourceGroup().location

@description('Tags of all resources.')
param tags object = {}

@description('Object id of who may read and rotate the API keys; empty for nobody.')
param operatorPrincipalId string = ''

@description('What the operator is: User, Group or ServicePrincipal.')
param operatorPrincipalType string = 'User'

// -- the app --------------------------------------------------------------------------------

@description('Loops as code: name -> { serviceConfiguration, policy }, applied when the app starts.')
param loops object = {}

@description('When to train: six fields, seconds first, UTC.')
param trainSchedule string = '0 * * * * *'

@description('Further app settings by name, for those that README.md lists with a default.')
param appSettings object = {}

@description('Calls that one instance serves at the same time; without it, Python gets 1.')
@minValue(1)
@maxValue(1000)
param perInstanceConcurrency int = 32

@description('Instances that never sleep: no cold starts, at a price while idle.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = 0

@description('Upper limit of instances, and so of cost.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Memory of one instance in MB; processor time comes in proportion.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Spread instances over availability zones, where the region has them.')
param zoneRedundant bool = false

// -- what is kept ---------------------------------------------------------------------------

@description('Redundancy of the storage accounts.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_LRS'

@description('Days for which overwritten or deleted models, states and settings can be restored.')
@minValue(1)
@maxValue(365)
param softDeleteDays int = 7

@description('Days after which the joined log moves to the cool tier; 0 for never.')
@minValue(0)
param coolLogAfterDays int = 30

@description('Days after which the joined log is deleted, whatever a loop keeps; 0 for never.')
@minValue(0)
param deleteLogAfterDays int = 0

@description('Whether a deleted key vault is kept for its retention; it cannot be switched off again.')
param purgeProtection bool = true

@description('First API key of a new installation. An existing one is left alone.')
@secure()
param newKey1 string = newGuid()

@description('Second API key of a new installation. An existing one is left alone.')
@secure()
param newKey2 string = newGuid()

// -- the network ----------------------------------------------------------------------------

@description('Put storage and keys behind private endpoints in a virtual network.')
param privateNetwork bool = false

@description('Whether the app answers the internet; false needs privateNetwork.')
param publicEndpoint bool = true

@description('Address space of the virtual network; at least a /24.')
param addressPrefix string = '10.71.0.0/24'

// -- who is told ----------------------------------------------------------------------------

@description('E-mail addresses that alerts and the budget are sent to.')
param alertEmails array = []

@description('Share of calls, in percent, that may end in a 5xx before an alert.')
@minValue(0)
param alertServerErrorPercent int = 1

@description('Rank latency, 95th percentile in milliseconds, above which to alert.')
@minValue(1)
param alertRankMilliseconds int = 500

@description('Minutes that training may be overdue before an alert; three training periods, not less than 10.')
@minValue(10)
param alertTrainingOverdueMinutes int = 15

@description('Days for which logs and metrics are kept.')
@minValue(30)
@maxValue(730)
param monitoringRetentionDays int = 30

@description('Monthly budget of the resource group in the currency of the subscription; 0 for none.')
@minValue(0)
param monthlyBudget int = 0

@description('First day of the month in which the budget begins.')
param budgetStart string = utcNow('yyyy-MM-01')

// -- names ----------------------------------------------------------------------------------

var token = uniqueString(resourceGroup().id, name)
var compact = take(toLower(replace(name, '-', '')), 8)
var appName = 'func-${name}-${take(token, 8)}' // below 32: the host id is cut there
var publicAccess = !privateNetwork

// -- resources ------------------------------------------------------------------------------

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${name}-${token}'
  location: location
  tags: tags
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    location: location
    tags: tags
    workspaceName: 'log-${name}-${token}'
    insightsName: 'appi-${name}-${token}'
    retentionDays: monitoringRetentionDays
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    location: location
    tags: tags
    hostName: 'st${compact}h${token}'
    dataName: 'st${compact}d${token}'
    sku: storageSku
    softDeleteDays: softDeleteDays
    loopNames: union(['default'], objectKeys(loops))
    coolLogAfterDays: coolLogAfterDays
    deleteLogAfterDays: deleteLogAfterDays
    publicAccess: publicAccess
  }
}

module keys 'modules/keys.bicep' = {
  name: 'keys'
  params: {
    location: location
    tags: tags
    vaultName: 'kv-${compact}${token}'
    purgeProtection: purgeProtection
    publicAccess: publicAccess
    workspaceId: monitoring.outputs.workspaceId
    newKey1: newKey1
    newKey2: newKey2
  }
}

module roles 'modules/roles.bicep' = {
  name: 'roles'
  params: {
    appPrincipalId: identity.properties.principalId
    operatorPrincipalId: operatorPrincipalId
    operatorPrincipalType: operatorPrincipalType
    hostStorageName: storage.outputs.hostName
    dataStorageName: storage.outputs.dataName
    vaultName: keys.outputs.vaultName
    insightsName: monitoring.outputs.insightsName
  }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  name: 'network'
  params: {
    location: location
    tags: tags
    networkName: 'vnet-${name}-${token}'
    addressPrefix: addressPrefix
  }
}

module app 'modules/functionApp.bicep' = {
  name: 'app'
  params: {
    location: location
    tags: tags
    planName: 'plan-${name}-${token}'
    appName: appName
    identityId: identity.id
    identityClientId: identity.properties.clientId
    subnetId: network.?outputs.appSubnetId ?? ''
    publicEndpoint: publicEndpoint
    packageUri: storage.outputs.packageUri
    hostBlobUri: storage.outputs.hostBlobUri
    dataBlobUri: storage.outputs.dataBlobUri
    dataTableUri: storage.outputs.dataTableUri
    key1Reference: keys.outputs.key1Reference
    key2Reference: keys.outputs.key2Reference
    insightsConnection: monitoring.outputs.connectionString
    loops: loops
    trainSchedule: trainSchedule
    appSettings: appSettings
    perInstanceConcurrency: perInstanceConcurrency
    alwaysReadyInstances: alwaysReadyInstances
    maximumInstanceCount: maximumInstanceCount
    instanceMemoryMB: instanceMemoryMB
    zoneRedundant: zoneRedundant
  }
  dependsOn: [roles, endpoints] // without them the app finds neither its package nor its keys
}

module endpoints 'modules/endpoints.bicep' = if (privateNetwork) {
  name: 'endpoints'
  params: {
    location: location
    tags: tags
    networkId: network!.outputs.networkId
    subnetId: network!.outputs.endpointSubnetId
    groups: ['blob', 'table', 'vault']
    targets: [
      { name: 'host-blob', resourceId: storage.outputs.hostId, group: 'blob' }
      { name: 'data-blob', resourceId: storage.outputs.dataId, group: 'blob' }
      { name: 'data-table', resourceId: storage.outputs.dataId, group: 'table' }
      { name: 'keys', resourceId: keys.outputs.vaultId, group: 'vault' }
    ]
  }
}

module appEndpoint 'modules/endpoints.bicep' = if (privateNetwork && !publicEndpoint) {
  name: 'app-endpoint'
  params: {
    location: location
    tags: tags
    networkId: network!.outputs.networkId
    subnetId: network!.outputs.endpointSubnetId
    groups: ['sites']
    targets: [{ name: 'app', resourceId: app.outputs.appId, group: 'sites' }]
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    location: location
    tags: tags
    name: name
    workspaceId: monitoring.outputs.workspaceId
    emails: alertEmails
    serverErrorPercent: alertServerErrorPercent
    rankMilliseconds: alertRankMilliseconds
    trainingOverdueMinutes: alertTrainingOverdueMinutes
    monthlyBudget: monthlyBudget
    budgetStart: budgetStart
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, name, 'workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    category: 'workbook'
    displayName: 'Open Personalizer: ${name}'
    serializedData: loadTextContent('workbook.json')
    sourceId: monitoring.outputs.workspaceId
    version: '1.0'
  }
}

// -- for azd, scripts and people ------------------------------------------------------------

@description('Where the app answers.')
output PERSONALIZER_ENDPOINT string = app.outputs.endpoint

@description('Name of the function app.')
output PERSONALIZER_APP string = app.outputs.appName

@description('Name of the key vault.')
output PERSONALIZER_VAULT string = keys.outputs.vaultName

@description('Name of the data storage account.')
output PERSONALIZER_STORAGE string = storage.outputs.dataName
