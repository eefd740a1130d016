// The passes of compile, in order: each may read what those before it made.
import { aliases } from './aliases.ts'
import { deniedWorkloads } from './denied-workloads.ts'
import { destinationRules } from './destination-rules.ts'
import { endpointSlices } from './endpoint-slices.ts'
import { endpoints } from './endpoints.ts'
import { gateways } from './gateways.ts'
import { instances } from './instances.ts'
import type { Pass } from './pass.ts'
import { peerAuthentication } from './peer-authentication.ts'
import { selection } from './selection.ts'
import { serviceEntries } from './service-entries.ts'
import { services } from './services.ts'
import { sidecars } from './sidecars.ts'
import { virtualServices } from './virtual-services.ts'
import { workloads } from './workloads.ts'

export const passes: readonly Pass[] = [
  services, // first: everything else names services
  serviceEntries, // Kubernetes' own names win
  aliases, // every name is known now
  instances, // whom the address plan knows, and pods
  endpointSlices, // of services without a selector; some of them are pods
  selection, // which workloads are behind which of them
  workloads, // the protocol of their ports comes from services
  peerAuthentication, // endpoints say whether they take mutual TLS
  deniedWorkloads, // beside it: the other kinds that protect a workload
  endpoints, // services meet workloads
  destinationRules, // a subset that selects no endpoint is worth a Finding
  sidecars, // says whom the proxies know, beside everything else
  gateways, // on their own; what is bound to them is found by name
  virtualServices, // last: routes name services and subsets
]
