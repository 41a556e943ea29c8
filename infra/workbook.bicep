// One page in the portal: how far behind each source is, what it costs, where it was not read, and what went wrong.

import { Place } from 'types.bicep'

param place Place
param workspace string

var charts = [
  { title: 'Lag of the delivered readings, minutes', query: loadTextContent('queries/lag.kql') }
  { title: 'Billing units an hour', query: loadTextContent('queries/units.kql') }
  { title: 'Gaps: no good poll for more than 15 minutes', query: loadTextContent('queries/gaps.kql') }
  { title: 'Trouble', query: loadTextContent('queries/trouble.kql') }
]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'meterbridge')
  location: place.location
  tags: place.tags
  kind: 'shared'
  properties: {
    displayName: 'meterbridge'
    category: 'workbook'
    sourceId: workspace
    serializedData: string({
      version: 'Notebook/1.0'
      fallbackResourceIds: [workspace]
      items: map(charts, chart => {
        type: 3
        content: {
          version: 'KqlItem/1.0'
          title: chart.title
          query: chart.query
          queryType: 0
          resourceType: 'microsoft.operationalinsights/workspaces'
          timeContext: { durationMs: 86400000 }
          size: 0
        }
      })
    })
  }
}
