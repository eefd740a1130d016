// Reads discovery requests of the incremental protocol. A client that starts or comes back lists thousands of names, and thousands of
// clients list the same, or the same but for a few names of their own: a list is found by its bytes, and of one that differs a little from
// one that was read, the difference is read. Used by ads-server.ts.
// Invariant: the result is what the codec makes of the whole message (read-request.test.ts compares them), and equal lists are one object,
// so that what follows from them is found as well (interest.ts).
import type { Result } from '../../base/result.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import type { DeltaDiscoveryRequest } from '../../envoy/generated/messages.gen.ts'
import type { InterestBook } from './interest.ts'
import { type Held, HOLDS_NOTHING } from './render-delta.ts'
import { type List, type Lists, listsIn } from './request-lists.ts'

export interface DeltaRequest extends Omit<DeltaDiscoveryRequest, 'initialResourceVersions'> {
  /** What the client says that it has (initial_resource_versions). */
  readonly held?: SaidToHold
}

/** What a client has, in two parts without a name in both: `common` is one object for all that list the same besides a few names. */
export interface SaidToHold {
  readonly common: Held
  readonly rest: Held
}

/** Newer clients may say more than we know; what we do not know we do not need. */
export const LENIENT = { onUnsupported: () => undefined, keepAny: true }

/** resource_names_subscribe and initial_resource_versions (envoy/service/discovery/v3/discovery.proto). */
const [NAMES, VERSIONS] = [3, 5]
/** Shorter ones cost less to read than to look for. */
const MIN_LIST_BYTES = 2048
/** Of lists that are remembered, together; the one that was asked for longest ago goes first. */
const MAX_REMEMBERED_BYTES = 16 * 1024 * 1024
/** A list is compared with so many that were asked for last, */
const NEIGHBOURS = 4
/** and read as a difference when no more than so many bytes differ. */
const MAX_DIFFERENCE_BYTES = 4096

export function createDeltaRequestReader(book: InterestBook): (bytes: Buffer) => Result<DeltaRequest> {
  const names = new ListMemo<readonly string[]>(({ bytes }) => read(bytes)?.resourceNamesSubscribe)
  const versions = new ListMemo<SaidToHold>((list, neighbours) => differenceFrom(neighbours, list, book) ?? allOf(list))
  const allOf = ({ bytes }: List): SaidToHold | undefined => {
    const { initialResourceVersions } = read(bytes) ?? {}
    return initialResourceVersions === undefined ? undefined : { common: book.held(initialResourceVersions), rest: HOLDS_NOTHING }
  }
  /** Undefined: the codec has something to say about a part. */
  const readLists = ({ found, rest }: Lists): DeltaRequest | undefined => {
    const others = read(rest)
    const [named, said] = [found.get(NAMES), found.get(VERSIONS)]
    const subscribed = named === undefined ? undefined : names.read(named)
    const held = said === undefined ? undefined : versions.read(said)
    if (others === undefined || (named !== undefined && subscribed === undefined) || (said !== undefined && held === undefined))
      return undefined
    return withHeld(subscribed === undefined ? others : { ...others, resourceNamesSubscribe: subscribed }, held, book)
  }
  return (bytes) => {
    const lists = bytes.length < MIN_LIST_BYTES ? undefined : listsIn(bytes, [NAMES, VERSIONS], MIN_LIST_BYTES)
    const found = lists === undefined || lists.found.size === 0 ? undefined : readLists(lists)
    if (found !== undefined) return { ok: true, value: found }
    const whole = decode(bytes)
    return whole.ok ? { ok: true, value: withHeld(whole.value, undefined, book) } : whole
  }
}

function withHeld(
  { initialResourceVersions, ...request }: DeltaDiscoveryRequest,
  held: SaidToHold | undefined,
  book: InterestBook,
): DeltaRequest {
  const whole = initialResourceVersions === undefined ? undefined : { common: book.held(initialResourceVersions), rest: HOLDS_NOTHING }
  const said = held ?? whole
  return said === undefined ? request : { ...request, held: said }
}

function decode(bytes: Uint8Array): Result<DeltaDiscoveryRequest> {
  return fullCodec.decode('envoy.service.discovery.v3.DeltaDiscoveryRequest', bytes, LENIENT)
}

/** A list by itself is a message with that list alone. */
function read(bytes: Uint8Array): DeltaDiscoveryRequest | undefined {
  const result = decode(bytes)
  return result.ok ? result.value : undefined
}

interface Remembered<V> {
  readonly list: List
  readonly value: V
}

class ListMemo<V> {
  readonly #make: (list: List, neighbours: readonly Remembered<V>[]) => V | undefined
  /** The one asked for last is the last. */
  #known: Remembered<V>[] = []
  #bytes = 0

  constructor(make: (list: List, neighbours: readonly Remembered<V>[]) => V | undefined) {
    this.#make = make
  }

  /** Undefined: it could not be made. */
  read(list: List): V | undefined {
    const { length } = list.bytes
    const at = this.#known.findLastIndex(({ list: { bytes } }) => bytes.length === length && bytes.equals(list.bytes))
    const found = this.#known[at]
    if (found !== undefined) {
      this.#known.splice(at, 1)
      this.#known.push(found)
      return found.value
    }
    const value = this.#make(list, this.#known.slice(-NEIGHBOURS))
    if (value === undefined) return undefined
    // A copy: what came holds on to all that was read from the socket with it.
    this.#known.push({ list: { ...list, bytes: Buffer.from(list.bytes) }, value })
    this.#bytes += list.bytes.length
    let dropped = 0
    while (this.#bytes > MAX_REMEMBERED_BYTES) this.#bytes -= this.#known[dropped++]?.list.bytes.length ?? 0
    this.#known = this.#known.slice(dropped)
    return value
  }
}

/** Undefined: none is like it, or a name stands in it twice, of which the codec takes the last. */
function differenceFrom(neighbours: readonly Remembered<SaidToHold>[], list: List, book: InterestBook): SaidToHold | undefined {
  for (const { list: near, value } of neighbours) {
    const middle = sizeOf(value) === near.starts.length ? differingMiddle(near, list) : undefined
    if (middle === undefined) continue
    const [gone, come] = [versionsIn(middle.near), versionsIn(middle.list)]
    if (gone === undefined || come === undefined) return undefined
    const leaving = Object.keys(gone).filter((name) => value.common.has(name))
    const common = leaving.length === 0 ? value.common : book.forget(value.common, leaving, false)
    const rest = new Map(value.rest)
    for (const name of Object.keys(gone)) rest.delete(name)
    for (const [name, version] of Object.entries(come)) rest.set(name, { version })
    const held = { common, rest }
    if (sizeOf(held) === list.starts.length && !rest.keys().some((name) => common.has(name))) return held
  }
  return undefined
}

function sizeOf({ common, rest }: SaidToHold): number {
  return common.size + rest.size
}

function versionsIn(bytes: Buffer): Readonly<Record<string, string>> | undefined {
  const request = read(bytes)
  return request === undefined ? undefined : (request.initialResourceVersions ?? {})
}

/** Whole entries between what both begin and end with. */
function differingMiddle(near: List, list: List): { readonly near: Buffer; readonly list: Buffer } | undefined {
  const shorter = Math.min(near.bytes.length, list.bytes.length)
  const same = longest(shorter, (length) => near.bytes.subarray(0, length).equals(list.bytes.subarray(0, length)))
  const from = list.starts.findLast((start) => start <= same) ?? 0
  const tail = longest(shorter - from, (length) => length === 0 || near.bytes.subarray(-length).equals(list.bytes.subarray(-length)))
  const to = list.starts.find((start) => start >= list.bytes.length - tail && start >= from) ?? list.bytes.length
  const nearTo = near.bytes.length - (list.bytes.length - to)
  if (to - from > MAX_DIFFERENCE_BYTES || nearTo - from > MAX_DIFFERENCE_BYTES) return undefined
  // Equal bytes at the end need not be the same entries.
  if (nearTo !== near.bytes.length && !near.starts.includes(nearTo)) return undefined
  return { near: near.bytes.subarray(from, nearTo), list: list.bytes.subarray(from, to) }
}

/** The largest length up to `limit` that holds, of a condition that holds up to some length and not beyond. */
function longest(limit: number, holds: (length: number) => boolean): number {
  let [known, unknown] = [0, limit]
  while (known < unknown) {
    const length = Math.ceil((known + unknown) / 2)
    if (holds(length)) known = length
    else unknown = length - 1
  }
  return known
}
