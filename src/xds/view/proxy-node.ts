// Who asks: the node of an xDS stream, read strictly. Called by xds/serve once per stream, which also compares it with the certificate.
// Invariant: nothing here is trusted beyond choosing what to send; identity is what the certificate says.
import { fail, type Result, succeed } from '../../base/result.ts'
import type { JsonObject, JsonValue, Node } from '../../envoy/generated/messages.gen.ts'
import { parseNodeId } from '../../envoy/names.ts'

export interface ProxyNode {
  readonly id: string
  readonly type: 'sidecar' | 'router'
  readonly address: string
  /** The workload's name. */
  readonly workload: string
  readonly namespace: string
  readonly domain: string
  /** From metadata, Istio's keys: SERVICE_ACCOUNT, LABELS. Empty when the proxy does not say. */
  readonly serviceAccount: string
  readonly labels: Readonly<Record<string, string>>
  /** Of our own program. */
  readonly version?: string
  /** Not ours: ours says its version. */
  readonly isStock: boolean
  /** Whether it can be given virtual hosts as resources of their own; over the incremental protocol only, which its stream knows. */
  readonly discoversVirtualHosts: boolean
}

export function parseProxyNode(node: Node): Result<ProxyNode> {
  const id = node.id ?? ''
  const parsed = parseNodeId(id)
  if (parsed === undefined) {
    return fail('node.id', `'${id}' is not '<sidecar|router>~<address>~<workload>.<namespace>~<domain>'`)
  }
  const metadata: JsonObject = node.metadata ?? {}
  const isStock = text(metadata.LATEEN_VERSION) === ''
  return succeed({
    id,
    ...parsed,
    serviceAccount: text(metadata.SERVICE_ACCOUNT),
    labels: texts(metadata.LABELS),
    ...(isStock ? {} : { version: text(metadata.LATEEN_VERSION) }),
    isStock,
    discoversVirtualHosts: !isStock || isEnvoyThatDiscovers(node),
  })
}

/** Older ones refuse a route table that asks for its virtual hosts over an aggregated stream; this is the oldest that we test. */
const OLDEST_ENVOY = { majorNumber: 1, minorNumber: 40 }

function isEnvoyThatDiscovers({ userAgentName, userAgentBuildVersion }: Node): boolean {
  const { majorNumber = 0, minorNumber = 0 } = userAgentBuildVersion?.version ?? {}
  if (userAgentName !== 'envoy') return false
  return majorNumber > OLDEST_ENVOY.majorNumber || (majorNumber === OLDEST_ENVOY.majorNumber && minorNumber >= OLDEST_ENVOY.minorNumber)
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : ''
}

function texts(value: JsonValue | undefined): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
