// Metadata exchange (DESIGN 4.12): each side of a mesh connection tells the other which workload it is, so that metrics name both.
// Istio's form: x-envoy-peer-metadata is base64 of a protobuf Struct, x-envoy-peer-metadata-id the node's id. Between our proxies (ALPN
// 'lateen/1' or 'lateen/2') once per connection, with Istio's own ALPNs on every request, otherwise never.
// Invariant: the labels of a peer that did not prove its identity by mutual TLS are never believed.
import { LATEEN_HTTP1, LATEEN_HTTP2 } from '../../envoy/alpn.ts'
import type { JsonObject } from '../../envoy/generated/messages.gen.ts'
import { proxyCodec } from '../../envoy/proxy-codec.ts'
import { FIELD } from '../http1/fields.ts'
import type { MessageHead } from '../http1/head.ts'
import type { ConnectionFacts, PeerLabels } from '../telemetry/outcome.ts'

/** Longer values are not labels of a workload. */
const MAX_METADATA_LENGTH = 16 * 1024

/** What is asked of an upstream connection. */
export interface ToldConnection {
  readonly alpn: string
  readonly mutualTls: boolean
  toldPeer: boolean
}

export class PeerMetadata {
  readonly #lines: string

  constructor(self: PeerLabels, nodeId: string) {
    this.#lines = `x-envoy-peer-metadata-id: ${nodeId}\r\nx-envoy-peer-metadata: ${encodePeerMetadata(self)}\r\n`
  }

  /** The lines to add to a request on this connection; '' when the peer knows already or is not of the mesh. */
  linesFor(connection: ToldConnection): string {
    if (connection.toldPeer || !connection.mutualTls) return ''
    if (connection.alpn === LATEEN_HTTP1 || connection.alpn === LATEEN_HTTP2) {
      connection.toldPeer = true
      return this.#lines
    }
    if (connection.alpn.startsWith('istio')) return this.#lines
    connection.toldPeer = true
    return ''
  }
}

/** Takes the peer's labels from a request head. The lines themselves never go further (request-head.ts). */
export function learnPeer(facts: ConnectionFacts, head: MessageHead): void {
  if (!facts.mutualTls) return
  const value = head.value(FIELD.peerMetadata)
  if (value === undefined || value.length > MAX_METADATA_LENGTH) return
  facts.peer = knownPeer(value) ?? facts.peer
}

/** What peers have said lately. A peer with Istio's ALPN says the same with every request: the labels must then be the same object too,
 *  because metrics find their cells by it. */
const SAID = new Map<string, PeerLabels>()
const MAX_SAID = 256

function knownPeer(value: string): PeerLabels | undefined {
  const known = SAID.get(value)
  if (known !== undefined) return known
  const labels = decodePeerMetadata(value)
  if (labels === undefined) return undefined
  if (SAID.size >= MAX_SAID) SAID.clear()
  SAID.set(value, labels)
  return labels
}

export function encodePeerMetadata(labels: PeerLabels): string {
  const struct = {
    NAME: labels.workload,
    NAMESPACE: labels.namespace,
    WORKLOAD_NAME: labels.workload,
    CLUSTER_ID: labels.cluster,
    LABELS: {
      app: labels.app,
      version: labels.version,
      'service.istio.io/canonical-name': labels.canonicalName,
      'service.istio.io/canonical-revision': labels.canonicalRevision,
    },
  }
  return encodeStruct(struct).toString('base64')
}

/** Undefined: not what it should be. */
export function decodePeerMetadata(value: string): PeerLabels | undefined {
  const struct = decodeStruct(Buffer.from(value, 'base64'))
  if (struct === undefined) return undefined
  const text = (name: string): string => textOf(struct[name])
  const { LABELS } = struct
  const label = (name: string): string => (isRecord(LABELS) ? textOf(LABELS[name]) : '')
  return {
    workload: text('WORKLOAD_NAME') || text('NAME'),
    namespace: text('NAMESPACE'),
    cluster: text('CLUSTER_ID'),
    app: label('app'),
    version: label('version'),
    canonicalName: label('service.istio.io/canonical-name'),
    canonicalRevision: label('service.istio.io/canonical-revision'),
  }
}

// A Struct is not a message of its own in the codec's table; it is field 3 of Node, so a Node around it is put on or taken off.
const NODE = 'envoy.config.core.v3.Node'
const METADATA_TAG = 0x1a

function encodeStruct(struct: JsonObject): Buffer {
  const node = proxyCodec.encode(NODE, { metadata: struct })
  let at = 1
  while ((node[at] ?? 0) >= 0x80) at++
  return node.subarray(at + 1)
}

function decodeStruct(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  const length: number[] = []
  for (let left = bytes.length; ; left >>>= 7) {
    length.push(left >= 0x80 ? (left & 0x7f) | 0x80 : left)
    if (left < 0x80) break
  }
  const node = proxyCodec.decode(NODE, Buffer.concat([Buffer.from([METADATA_TAG, ...length]), bytes]))
  return node.ok ? node.value.metadata : undefined
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
