// Alerts on the app's own metrics, a budget, and who is told. docs/operations.md says what to do.

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Name of the installation.')
param name string

@description('Workspace that holds the metrics.')
param workspaceId string

@description('E-mail addresses that are told.')
param emails array

@description('Percent of calls that may end in a 5xx.')
param serverErrorPercent int

@description('Milliseconds that the 95th percentile of Rank may take.')
param rankMilliseconds int

@description('Minutes that training may be overdue.')
param trainingOverdueMinutes int

@description('Monthly budget; 0 for none.')
param monthlyBudget int

@description('First day of the month in which the budget begins.')
param budgetStart string

var rules = [
  {
    name: 'server-errors'
    title: 'Too many calls end in a 5xx'
    query: loadTextContent('../queries/server-errors.kql')
    above: serverErrorPercent
    severity: 1
  }
  {
    name: 'rank-latency'
    title: 'Rank is slow'
    query: loadTextContent('../queries/rank-latency.kql')
    above: rankMilliseconds
    severity: 2
  }
  {
    name: 'training-overdue'
    title: 'The model is stale: training is overdue'
    query: loadTextContent('../queries/training-overdue.kql')
    above: trainingOverdueMinutes
    severity: 1
  }
  {
    name: 'late-events'
    title: 'Events were stored too late to be learned'
    query: loadTextContent('../queries/late-events.kql')
    above: 0
    severity: 2
  }
  {
    name: 'storage-retries'
    title: 'Storage refuses writes'
    query: loadTextContent('../queries/storage-retries.kql')
    above: 20
    severity: 2
  }
  {
    name: 'model-load-failures'
    title: 'A published model cannot be read'
    query: loadTextContent('../queries/model-load-failures.kql')
    above: 0
    severity: 1
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${name}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: take(name, 12)
    emailReceivers: [
      for email in emails: {
        name: email
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: '${name}-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: '${name}: ${rule.title}'
      description: 'See "${rule.name}" in docs/operations.md.'
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      autoMitigate: true
      skipQueryValidation: true // a new workspace does not have the table yet
      criteria: {
        allOf: [
          {
            query: rule.query
            metricMeasureColumn: 'Value'
            timeAggregation: 'Maximum'
            operator: 'GreaterThan'
            threshold: rule.above
            failingPeriods: {
              minFailingPeriodsToAlert: 1
              numberOfEvaluationPeriods: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: [people.id]
      }
    }
  }
]

resource budget 'Microsoft.Consumption/budgets@2024-08-01' = if (monthlyBudget > 0) {
  name: '${name}-monthly'
  properties: {
    category: 'Cost'
    amount: monthlyBudget
    timeGrain: 'Monthly'
    timePeriod: {
      startDate: budgetStart
    }
    notifications: {
      expected: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: emails
        contactGroups: [people.id]
      }
      actual: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 90
        thresholdType: 'Actual'
        contactEmails: emails
        contactGroups: [people.id]
      }
    }
  }
}
