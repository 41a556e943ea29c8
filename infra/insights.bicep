// Logs: the handler's lines and the host's requests arrive in Application Insights and lie in the Log Analytics workspace.

import { Place } from 'types.bicep'

param place Place

// Gigabytes a day, after which the workspace takes nothing more until midnight; -1: no limit.
param dailyGigabytes int

resource workspace 'Microsoft.OperationalInsights/workspaces@2026-03-01' = {
  name: place.names.workspace
  location: place.location
  tags: place.tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: 30
    workspaceCapping: { dailyQuotaGb: dailyGigabytes }
    features: { disableLocalAuth: true }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: place.names.insights
  location: place.location
  tags: place.tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    // The connection string alone lets nobody write: the app's identity does.
    DisableLocalAuth: true
  }
}

output workspace string = workspace.id
output connectionString string = insights.properties.ConnectionString
