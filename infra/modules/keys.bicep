// The key vault with the two API keys. Keys are made once and never touched again from here.

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Name of the vault.')
param vaultName string

@description('Whether a deleted vault is kept for its retention.')
param purgeProtection bool

@description('Whether the vault answers outside the virtual network.')
param publicAccess bool

@description('Where access to the keys is logged.')
param workspaceId string

@description('First key, if there is none yet.')
@secure()
param newKey1 string

@description('Second key, if there is none yet.')
@secure()
param newKey2 string

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: vaultName
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: purgeProtection ? true : null
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: publicAccess ? 'Allow' : 'Deny'
    }
  }
}

@onlyIfNotExists()
resource key1 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  parent: vault
  name: 'personalizer-key-1'
  properties: {
    contentType: 'text/plain'
    value: newKey1
  }
}

@onlyIfNotExists()
resource key2 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  parent: vault
  name: 'personalizer-key-2'
  properties: {
    contentType: 'text/plain'
    value: newKey2
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

@description('Resource id of the vault.')
output vaultId string = vault.id

@description('Name of the vault.')
output vaultName string = vault.name

// Without a version, so that a rotated key is found.
@description('Reference to the first key, for an app setting.')
output key1Reference string = '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/${key1.name})'

@description('Reference to the second key, for an app setting.')
output key2Reference string = '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/${key2.name})'
