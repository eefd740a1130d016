// The checks, in the order in which a reader would follow a request: in through a gateway, past policies, out to services.

import type { Finding } from '../../api/finding.ts'
import { gatewayReferences } from './gateway-references.ts'
import { gatewayConflicts, gatewayPorts, gatewayServers, sharedCertificates } from './gateways.ts'
import type { MeshFacts } from './mesh-facts.ts'
import { mutualTlsContradictions } from './mutual-tls.ts'
import { overlappingSelectors } from './overlapping-selectors.ts'
import { policyPorts } from './policy-ports.ts'
import { emptySelectors } from './selectors.ts'
import { serviceEntryPorts, servicesOfOnePort } from './service-ports.ts'
import { sidecarImports } from './sidecars.ts'
import { telemetryProviders } from './telemetry-providers.ts'
import { tokenConditions } from './token-conditions.ts'

export type Check = (facts: MeshFacts) => readonly Finding[]

export const checks: readonly Check[] = [
  gatewayReferences, // do routes name gateways that exist and serve their hosts?
  gatewayConflicts, // does one server hide another?
  gatewayServers, // do servers of one port go together?
  gatewayPorts, // does a gateway's Service open its ports?
  sharedCertificates, // will browsers reuse a connection for the wrong gateway?
  emptySelectors, // does each selector select somebody?
  overlappingSelectors, // is a workload selected twice where only one object counts?
  policyPorts, // do policies name ports that workloads have?
  tokenConditions, // is there anything that checks the tokens that are asked for?
  mutualTlsContradictions, // do clients and servers agree on TLS?
  sidecarImports, // does each import find a service?
  servicesOfOnePort, // do services agree on what a workload's port speaks, and on its number?
  serviceEntryPorts, // can TCP ports of outside services be told apart?
  telemetryProviders, // does somebody receive what is reported?
]
