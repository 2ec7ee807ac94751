// Who may do what: one row a grant, each on one resource and no wider.

@description('Principal of the app.')
param appPrincipalId string

@description('Object id of who may read and rotate the API keys; empty for nobody.')
param operatorPrincipalId string

@description('What the operator is.')
param operatorPrincipalType string

@description('Name of the host storage account.')
param hostStorageName string

@description('Name of the data storage account.')
param dataStorageName string

@description('Name of the key vault.')
param vaultName string

@description('Name of the Application Insights component.')
param insightsName string

var roleIds = {
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Blob Data Contributor': 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  'Monitoring Metrics Publisher': '3913510d-42f4-4e42-8a64-420c390055eb'
  'Key Vault Secrets User': '4633458b-17de-408a-b874-0445c86b69e6'
  'Key Vault Secrets Officer': 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
}

var appGrants = [
  { on: 'host', role: 'Storage Blob Data Owner' } // what the Functions host itself asks for
  { on: 'data', role: 'Storage Blob Data Contributor' }
  { on: 'data', role: 'Storage Table Data Contributor' } // the blob roles do not cover tables
  { on: 'insights', role: 'Monitoring Metrics Publisher' }
  { on: 'vault', role: 'Key Vault Secrets User' }
]
var operatorGrants = [
  { on: 'vault', role: 'Key Vault Secrets Officer' } // to read and rotate the API keys
]

var forApp = map(appGrants, g => union(g, { principal: appPrincipalId, type: 'ServicePrincipal' }))
var forOperator = map(operatorGrants, g => union(g, { principal: operatorPrincipalId, type: operatorPrincipalType }))
var grants = concat(forApp, empty(operatorPrincipalId) ? [] : forOperator)

resource hostStorage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: hostStorageName
}

resource dataStorage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: dataStorageName
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource onHost 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(grants, g => g.on == 'host'): {
    name: guid(hostStorage.id, grant.principal, roleIds[grant.role])
    scope: hostStorage
    properties: {
      principalId: grant.principal
      principalType: grant.type
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[grant.role])
    }
  }
]

resource onData 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(grants, g => g.on == 'data'): {
    name: guid(dataStorage.id, grant.principal, roleIds[grant.role])
    scope: dataStorage
    properties: {
      principalId: grant.principal
      principalType: grant.type
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[grant.role])
    }
  }
]

resource onVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(grants, g => g.on == 'vault'): {
    name: guid(vault.id, grant.principal, roleIds[grant.role])
    scope: vault
    properties: {
      principalId: grant.principal
      principalType: grant.type
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[grant.role])
    }
  }
]

resource onInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(grants, g => g.on == 'insights'): {
    name: guid(insights.id, grant.principal, roleIds[grant.role])
    scope: insights
    properties: {
      principalId: grant.principal
      principalType: grant.type
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[grant.role])
    }
  }
]
