// A sample that deploys as it stands. azd sets the environment variables; `az` needs none.
using 'main.bicep'

param name = readEnvironmentVariable('AZURE_ENV_NAME', 'personalizer')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param tags = { 'azd-env-name': readEnvironmentVariable('AZURE_ENV_NAME', 'personalizer') }
param operatorPrincipalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param operatorPrincipalType = readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User')
