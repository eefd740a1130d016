// Snapshot and proxy in, what that proxy may know out. Called by the control plane for each connected proxy after every compile.
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import { type Capture, type Workload, workloadKey } from '../../model/workload.ts'
import { clientSecretsOf } from './client-secrets.ts'
import { gatewayViewFor } from './gateway-view.ts'
import { withInboundPorts } from './inbound-ports.ts'
import { joinedKey, objectKey } from './object-key.ts'
import type { ProxyNode } from './proxy-node.ts'
import type { ProxyView } from './proxy-view.ts'
import { scopeNameFor } from './scope-name.ts'
import { scopeFor } from './scope-view.ts'

/** Undefined: the mesh has no such workload (yet, or no more); its proxy keeps what it has. */
export function viewFor(
  snapshot: MeshSnapshot,
  node: Pick<ProxyNode, 'namespace' | 'workload'> & Partial<Pick<ProxyNode, 'isStock' | 'type' | 'discoversVirtualHosts'>>,
): ProxyView | undefined {
  const workload = snapshot.workloads.get(workloadKey({ namespace: node.namespace, name: node.workload }))
  if (workload === undefined) return undefined
  const { settings } = snapshot
  const { namespace, labels, capture, locality } = workload
  const isStock = node.isStock === true
  if (node.type === 'router') return gatewayView(snapshot, workload, isStock)
  const discoversVirtualHosts = node.discoversVirtualHosts === true
  const client = { namespace, labels, capture: capture.kind, locality, isStock, discoversVirtualHosts }
  const name = scopeNameFor(snapshot, client, workload)
  const scope = scopeFor(snapshot, client, name)
  // Bound listeners say which services they are for.
  const ofScope = capture.kind === 'bind' ? scope.keys.listeners : ''
  const own = withInboundPorts(workload, name.sidecar)
  const key = `${isStock} ${ofScope} ${objectKey(settings)} ${objectKey(own)}`
  return { scope, instance: { key, workload: own, settings, isStock, sidecar: name.sidecar?.origin } }
}

const NO_CAPTURE: Capture = { kind: 'bind', inbound: [], outbound: [], httpProxy: undefined }

/** A gateway has no application behind it and catches nobody's connections. */
function gatewayView(snapshot: MeshSnapshot, workload: Workload, isStock: boolean): ProxyView {
  const { settings } = snapshot
  const { namespace, labels, locality } = workload
  const client = { namespace, labels, capture: 'gateway' as const, locality, isStock, discoversVirtualHosts: false }
  const name = scopeNameFor(snapshot, client, workload)
  const scope = scopeFor(snapshot, client, name)
  const gateway = gatewayViewFor(snapshot, workload, clientSecretsOf(scope))
  const own: Workload = { ...workload, ports: [], capture: NO_CAPTURE }
  // A server that passes on to every service says which there are.
  const isAutomatic = gateway.listeners.some(({ servers }) => servers.some(({ server }) => server.tls?.mode === 'auto-passthrough'))
  const routed = [...scope.routedPolicies.values()].map(objectKey)
  const key = joinedKey([
    'gateway',
    String(isStock),
    objectKey(settings),
    objectKey(own),
    objectKey(gateway),
    isAutomatic ? scope.keys.clusters : '',
    ...routed,
  ])
  return { scope, instance: { key, workload: own, settings, isStock, sidecar: name.sidecar?.origin }, gateway }
}
