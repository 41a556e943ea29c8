// What somebody should be told of. The README says what each means and what to do.

import { Place } from 'types.bicep'

param place Place
param workspace string
param hub string
// Messages a day that the hub takes, all units together.
param quota int
// After so many minutes without a delivered reading somebody is told.
param silentMinutes 15 | 30 | 45 | 60 | 120 | 180 | 240 | 300 | 360
// Who is told; empty: the alerts are seen in the portal alone.
param email string

resource told 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-${place.names.token}'
  location: 'global'
  tags: place.tags
  properties: {
    groupShortName: 'meterbridge'
    enabled: true
    emailReceivers: [{ name: 'email', emailAddress: email, useCommonAlertSchema: true }]
  }
}

// A rule's window is one of a few lengths, written as Azure does.
var window = silentMinutes < 60 ? 'PT${silentMinutes}M' : 'PT${silentMinutes / 60}H'

var rules = [
  {
    name: 'nothing-delivered'
    severity: 1
    about: 'No source has delivered a reading for ${silentMinutes} minutes'
    query: loadTextContent('queries/delivered.kql')
    window: window
    operator: 'LessThan'
    threshold: 1
    by: ''
  }
  {
    name: 'source-silent'
    severity: 2
    about: 'A source that is polled has delivered nothing for ${silentMinutes} minutes'
    query: replace(loadTextContent('queries/silent-sources.kql'), '{minutes}', string(silentMinutes))
    window: 'P1D'
    operator: 'GreaterThan'
    threshold: 0
    by: 'source'
  }
  {
    name: 'dead-letters'
    severity: 2
    about: 'The hub refused a message for good'
    query: loadTextContent('queries/dead-letters.kql')
    window: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
    by: 'source'
  }
  {
    name: 'poison-messages'
    severity: 2
    about: 'A job failed for good and lies in the poison queue'
    query: loadTextContent('queries/poison.kql')
    window: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
    by: ''
  }
  {
    name: 'faulty-configuration'
    severity: 1
    about: 'The configuration is faulty, so nothing is polled'
    query: loadTextContent('queries/faulty.kql')
    window: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
    by: 'setting'
  }
]

resource logged 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for rule in rules: {
    name: '${rule.name}-${place.names.token}'
    location: place.location
    tags: place.tags
    kind: 'LogAlert'
    properties: {
      displayName: 'meterbridge: ${rule.name}'
      description: rule.about
      severity: rule.severity
      enabled: true
      autoMitigate: true
      scopes: [workspace]
      evaluationFrequency: 'PT15M'
      windowSize: rule.window
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: rule.operator
            threshold: rule.threshold
            dimensions: empty(rule.by) ? [] : [{ name: rule.by, operator: 'Include', values: ['*'] }]
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: empty(email) ? [] : [told.id] }
    }
  }
]

resource near 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: 'quota-near-${place.names.token}'
  location: 'global'
  tags: place.tags
  properties: {
    description: 'Four fifths of the messages that the hub takes in a day are used'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [hub]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT1H'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'used'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.Devices/IotHubs'
          metricName: 'dailyMessageQuotaUsed'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: quota / 5 * 4
        }
      ]
    }
    actions: empty(email) ? [] : [{ actionGroupId: told.id }]
  }
}
