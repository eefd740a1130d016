// Whether a pod has a proxy that takes mutual TLS for it, and which of its ports go past it. Pure; called by pod-instance.ts.
// Invariant: nobody is believed to speak mutual TLS whose connections no proxy takes: a wrong guess would cut every one of them.
import type { Pod } from '../../api/generated/pod.gen.ts'
import { NO_PORTS, type PortSet } from './instance.ts'

/** Written by whoever injected the proxy, Lateen or Istio. */
const INJECTED = 'sidecar.istio.io/status'
const TLS_MODE_LABEL = 'security.istio.io/tlsMode'
const TEMPLATES = 'inject.istio.io/templates'
/** Of a pod that brings its proxy along: the chart's gateways, which nobody injects. */
const ROLE = 'lateen.dev/role'
const MODE = 'sidecar.istio.io/interceptionMode'
const CAPTURE = 'traffic.sidecar.istio.io/'

/** Of a gateway it does not count: what its ports take, a Gateway says. */
export function hasMeshProxy({ metadata, spec }: Pod): boolean {
  const { labels, annotations } = metadata
  // Its address is the node's, of which nothing is captured.
  if (spec.hostNetwork === true || annotations[MODE] === 'NONE') return false
  const said = labels[TLS_MODE_LABEL]
  if (said !== undefined) return said === 'istio'
  return annotations[INJECTED] !== undefined && !isGatewayPod({ metadata })
}

/** By its role, or injected with the gateway template: what a proxy says of itself does not make it one. */
export function isGatewayPod({ metadata: { annotations } }: Pick<Pod, 'metadata'>): boolean {
  if (annotations[ROLE] === 'gateway') return true
  return annotations[INJECTED] !== undefined && templatesOf(annotations[TEMPLATES]).includes('gateway')
}

/** It has a proxy, and nothing is redirected to it. */
export function usesHttpProxy({ metadata: { annotations } }: Pod): boolean {
  return annotations[MODE] === 'NONE' && annotations[INJECTED] !== undefined
}

/** Ports that the pod's annotations take out of the capture (or do not put into it). */
export function uncapturedPorts({ metadata: { annotations } }: Pod): PortSet {
  const excluded = portsOf(annotations[`${CAPTURE}excludeInboundPorts`])
  const included = annotations[`${CAPTURE}includeInboundPorts`]
  if (included === undefined || included.trim() === '*') return excluded.length === 0 ? NO_PORTS : { kind: 'only', ports: excluded }
  return { kind: 'except', ports: portsOf(included).filter((port) => !excluded.includes(port)) }
}

function templatesOf(text = ''): readonly string[] {
  return text.split(',').map((name) => name.trim())
}

function portsOf(text = ''): readonly number[] {
  return text
    .split(',')
    .map((port) => Number(port.trim()))
    .filter((port) => Number.isInteger(port) && port > 0)
}
