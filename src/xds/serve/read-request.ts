// Reads discovery requests of the incremental protocol. A client that starts or comes back lists thousands of names, and thousands of
// clients list the same: a list that was read before is not read again but found by its bytes. Used by ads-server.ts.
// Invariant: the result is what the codec makes of the whole message (read-request.test.ts compares them), and equal lists are one object,
// so that what follows from them is found as well (interest.ts).
import type { Result } from '../../base/result.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import type { DeltaDiscoveryRequest } from '../../envoy/generated/messages.gen.ts'

/** Newer clients may say more than we know; what we do not know we do not need. */
export const LENIENT = { onUnsupported: () => undefined, keepAny: true }

export type ReadDeltaRequest = (bytes: Buffer) => Result<DeltaDiscoveryRequest>

/** resource_names_subscribe and initial_resource_versions (envoy/service/discovery/v3/discovery.proto). */
const LISTS: ReadonlySet<number> = new Set([3, 5])
/** Shorter ones cost less to read than to look for. */
const MIN_LIST_BYTES = 2048
/** Of lists that are remembered, together; the one that was asked for longest ago goes first. */
const MAX_REMEMBERED_BYTES = 16 * 1024 * 1024

export function createDeltaRequestReader(): ReadDeltaRequest {
  const lists = new ListMemo()
  return (bytes) => {
    const runs = bytes.length < MIN_LIST_BYTES ? [] : runsOf(bytes)
    if (runs.length === 0) return decode(bytes)
    const parts = runs.map(({ start, end }) => lists.read(bytes.subarray(start, end)))
    const rest = decode(without(bytes, runs))
    const failed = parts.find(({ ok }) => !ok)
    if (failed !== undefined || !rest.ok) return failed ?? rest
    return { ok: true, value: Object.assign({}, rest.value, ...parts.map((part) => (part.ok ? part.value : {}))) }
  }
}

function decode(bytes: Uint8Array): Result<DeltaDiscoveryRequest> {
  return fullCodec.decode('envoy.service.discovery.v3.DeltaDiscoveryRequest', bytes, LENIENT)
}

interface Run {
  readonly start: number
  readonly end: number
}

/** The entries of each list, one after the other as every encoder writes them: by itself such a run is a message with that list alone.
 *  None when a list is short, in pieces, or the bytes are not understood at a glance: then the codec has its say. */
function runsOf(bytes: Buffer): readonly Run[] {
  const runs = new Map<number, { readonly start: number; end: number }>()
  for (let at = 0; at < bytes.length; ) {
    const start = at
    const tag = bytes[at++] ?? 0
    // Fields above 15 and other wire types than bytes are not among the lists, nor among what stands beside them.
    if (tag >= 0x80 || (tag & 7) !== 2) return []
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined || shift > 21) return []
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    at += length
    if (at > bytes.length) return []
    if (!LISTS.has(tag >>> 3)) continue
    const run = runs.get(tag >>> 3)
    if (run === undefined) runs.set(tag >>> 3, { start, end: at })
    else if (run.end === start) run.end = at
    else return []
  }
  return [...runs.values()].filter(({ start, end }) => end - start >= MIN_LIST_BYTES).sort((a, b) => a.start - b.start)
}

function without(bytes: Buffer, runs: readonly Run[]): Buffer {
  const kept: Buffer[] = []
  let at = 0
  for (const { start, end } of runs) {
    kept.push(bytes.subarray(at, start))
    at = end
  }
  return Buffer.concat([...kept, bytes.subarray(at)])
}

interface Remembered {
  readonly bytes: Buffer
  readonly value: Result<DeltaDiscoveryRequest>
}

class ListMemo {
  /** The one asked for last is the last. */
  readonly #known = new Set<Remembered>()
  #bytes = 0

  read(list: Buffer): Result<DeltaDiscoveryRequest> {
    for (const each of this.#known) {
      if (each.bytes.length !== list.length || !each.bytes.equals(list)) continue
      this.#known.delete(each)
      this.#known.add(each)
      return each.value
    }
    // A copy: what came holds on to all that was read from the socket with it.
    const made = { bytes: Buffer.from(list), value: decode(list) }
    this.#known.add(made)
    this.#bytes += list.length
    for (const oldest of this.#known) {
      if (this.#bytes <= MAX_REMEMBERED_BYTES) break
      this.#known.delete(oldest)
      this.#bytes -= oldest.bytes.length
    }
    return made.value
  }
}
