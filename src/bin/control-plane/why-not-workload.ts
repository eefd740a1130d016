// May this caller be served as this workload? What the mesh knows of the workload decides; what a proxy says of itself does not. Pure.
// Asked by mesh-server.ts for every stream, and again before anything is sent on it.
// Invariant: nobody is served as a gateway who was not made one: gateways are given users' keys.
import { type Trust, underOwnName } from '../../identity/peer.ts'
import { type SpiffeId, workloadSpiffeId } from '../../identity/spiffe-id.ts'
import type { ProxyNode } from '../../xds/view/proxy-node.ts'
import type { RunsAs } from './compile-protocol.ts'

/** Undefined: it may. */
export function whyNotWorkload(
  { namespace, workload, type }: Pick<ProxyNode, 'namespace' | 'workload' | 'type'>,
  { serviceAccount, isGateway }: RunsAs,
  identity: SpiffeId,
  trust: Trust,
): string | undefined {
  const expected = workloadSpiffeId({ trustDomain: trust.trustDomain, namespace, serviceAccount })
  if (!expected.ok || expected.value !== underOwnName(identity, trust))
    return `the workload ${namespace}/${workload} runs as service account '${serviceAccount}', but the certificate is for ${identity}`
  if (type === 'router' && !isGateway)
    return (
      `the node says 'router', but the workload ${namespace}/${workload} is not a gateway: ` +
      'inject its pod with the annotation inject.istio.io/templates: gateway, or, where it brings its proxy along, annotate it with ' +
      'lateen.dev/role: gateway (standalone: spec.gateway: true)'
    )
  return undefined
}
