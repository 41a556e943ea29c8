// Azure's own roles that are granted here, by their ids, and the shape of an assignment.

@export()
var roles = {
  blobOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b' // Storage Blob Data Owner
  blobContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe' // Storage Blob Data Contributor
  queueContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88' // Storage Queue Data Contributor
  hubContributor: '4fc6c259-987e-4a07-842e-c321cc9d413f' // IoT Hub Data Contributor
  enroller: 'dfce44e4-17b7-4bd1-a6d1-04996ec95633' // Device Provisioning Service Data Contributor
  secretsUser: '4633458b-17de-408a-b874-0445c86b69e6' // Key Vault Secrets User
  secretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7' // Key Vault Secrets Officer
  metricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb' // Monitoring Metrics Publisher
  openaiUser: '5e0bd9bd-7b93-4f28-af87-19fc36ad61bd' // Cognitive Services OpenAI User
}

@export()
func assigned(principal string, type string, role string) {
  principalId: string
  principalType: string
  roleDefinitionId: string
} => {
  principalId: principal
  principalType: type
  roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
}
