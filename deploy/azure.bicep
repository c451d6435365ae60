// An account of Cosmos DB as a fleet needs it, its containers, and the one role that its services
// need on it. Checked by nobody but its reader: run `az deployment group what-if` before you trust it.
//
//   az deployment group create -g fleet -f deploy/azure.bicep -p account=acme principals='["<object id>"]'

@description('Name of the account, and of its address.')
param account string

@description('Object ids of the identities that the services run as.')
param principals array

param location string = resourceGroup().location

@description('Units a second that all containers share, at most; the least is a tenth of it.')
param throughput int = 4000

var byProduct = [
  'fleet_jobs'
  'fleet_factories'
  'fleet_profiles'
  'fleet_lineages'
  'fleet_locks'
  'fleet_budgets'
  'fleet_products'
  'fleet_audit'
  'fleet_tokens'
  'fleet_users'
  'fleet_accounts'
  'fleet_sessions'
  'fleet_verifications'
]
var byJob = ['fleet_runs', 'fleet_leases', 'fleet_events', 'fleet_artifacts']

resource cosmos 'Microsoft.DocumentDB/databaseAccounts@2024-05-15' = {
  name: account
  location: location
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    // Conditional writes are judged in one place, and read where they were made.
    enableMultipleWriteLocations: false
    consistencyPolicy: { defaultConsistencyLevel: 'Strong' }
    locations: [{ locationName: location, failoverPriority: 0, isZoneRedundant: true }]
    // Identities alone: no key opens it.
    disableLocalAuth: true
    publicNetworkAccess: 'Disabled'
    minimalTlsVersion: 'Tls12'
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: { tier: 'Continuous7Days' }
    }
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2024-05-15' = {
  parent: cosmos
  name: 'fleet'
  properties: {
    resource: { id: 'fleet' }
    options: { autoscaleSettings: { maxThroughput: throughput } }
  }
}

resource products 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-05-15' = [
  for name in byProduct: {
    parent: database
    name: name
    properties: {
      resource: {
        id: name
        partitionKey: { paths: ['/productId'], kind: 'Hash', version: 2 }
        // No defaultTtl: what ends by its age here is lost.
        indexingPolicy: {
          indexingMode: 'consistent'
          includedPaths: [{ path: '/productId/?' }]
          excludedPaths: [{ path: '/*' }]
        }
      }
    }
  }
]

resource jobs 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-05-15' = [
  for name in byJob: {
    parent: database
    name: name
    properties: {
      resource: {
        id: name
        partitionKey: { paths: ['/jobId'], kind: 'Hash', version: 2 }
        indexingPolicy: {
          indexingMode: 'consistent'
          includedPaths: [{ path: '/jobId/?' }]
          excludedPaths: [{ path: '/*' }]
        }
      }
    }
  }
]

resource control 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-05-15' = {
  parent: database
  name: 'fleet_control'
  properties: {
    resource: {
      id: 'fleet_control'
      partitionKey: { paths: ['/topic'], kind: 'Hash', version: 2 }
      indexingPolicy: {
        indexingMode: 'consistent'
        includedPaths: [{ path: '/topic/?' }]
        excludedPaths: [{ path: '/*' }]
      }
    }
  }
}

// Cosmos DB Built-in Data Contributor: documents, and the account's own description.
var contributor = '${cosmos.id}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002'

resource roles 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2024-05-15' = [
  for principal in principals: {
    parent: cosmos
    name: guid(cosmos.id, principal, contributor)
    properties: {
      principalId: principal
      roleDefinitionId: contributor
      scope: cosmos.id
    }
  }
]

output store string = 'cosmos://${account}.documents.azure.com/fleet'
