// A sample that deploys as it stands. azd sets the environment variables; `az` needs none.
using 'main.bicep'

param name = readEnvironmentVariable('AZURE_ENV_NAME', 'personalizer')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param tags = { 'azd-env-name': readEnvironmentVariable('AZURE_ENV_NAME', 'personalizer') }
param operatorPrincipalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param operatorPrincipalType = readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User')

// Loops as code. A loop without an entry keeps what was set by API.
param loops = {
  // default: {
  //   serviceConfiguration: { rewardWaitTime: 'PT10M', explorationPercentage: 0.2 }
  //   policy: { name: 'shop', arguments: '--cb_explore_adf --epsilon 0.2 --cb_type mtr -q ::' }
  // }
}

// Who is told when something is wrong.
param alertEmails = []
