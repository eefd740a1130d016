// How far every object has come among the proxies of this replica. Pure; called once per digest by digest-source.ts.
// An object counts as programmed at a proxy once the proxy has taken everything of the compile that first had the object's present
// generation: rounds of one process are compared here, and never leave it.
// Invariant: costs objects per group of proxies that see the same, not objects per proxy: thousands of each take milliseconds.
import { type LaggingProxy, MAX_NAMED, type ObjectProgress } from '../../model/progress.ts'
import type { Concerns } from '../view/concerns.ts'

/** What the newest compile has of an object. */
export interface CompiledObject {
  readonly uid: string
  readonly generation: number
  /** The compile that had it first. */
  readonly round: number
}

export interface ProxyProgress {
  /** `namespace/name`. */
  readonly proxy: string
  /** The newest compile of which it has answered everything, refusals included; and of which it has accepted everything. */
  readonly takenRound: number
  readonly cleanRound: number
  readonly sinceMs: number
  readonly rejection: { readonly message: string; readonly objects: readonly string[] } | undefined
  readonly isConnected: boolean
}

export interface DigestInput {
  readonly objects: ReadonlyMap<string, CompiledObject>
  readonly concerns: Concerns
  /** By the names that `concerns` uses. */
  readonly proxies: ReadonlyMap<string, ProxyProgress>
}

/** Objects that concern nobody have a row too: that nobody is concerned is an answer. */
export function progressOf({ objects, concerns, proxies }: DigestInput): readonly ObjectProgress[] {
  const tally = new Tally(objects, concerns.objects)
  for (const group of concerns.groups) tally.add(group.objects, membersOf(group.proxies, proxies))
  return tally.rows(objects)
}

interface Members {
  /** In the order of their rounds. */
  readonly connected: readonly ProxyProgress[]
  readonly rounds: Float64Array
  /** Of which some resources are refused whose objects are known: only these are held back. */
  readonly refusing: readonly ProxyProgress[]
  readonly absent: readonly ProxyProgress[]
}

function membersOf(names: readonly string[], proxies: ReadonlyMap<string, ProxyProgress>): Members {
  const all = names.flatMap((name) => proxies.get(name) ?? [])
  const connected = all.filter(({ isConnected }) => isConnected).sort((a, b) => roundOf(a) - roundOf(b))
  return {
    connected,
    rounds: Float64Array.from(connected, roundOf),
    refusing: connected.filter(isNamed),
    absent: all.filter(({ isConnected }) => !isConnected),
  }
}

/** A refusal that says of which objects it is holds back these and no others. */
function isNamed({ rejection }: ProxyProgress): boolean {
  return rejection !== undefined && rejection.objects.length > 0
}

function roundOf(proxy: ProxyProgress): number {
  return isNamed(proxy) ? proxy.takenRound : proxy.cleanRound
}

class Tally {
  readonly #names: readonly string[]
  readonly #since: Float64Array
  readonly #concerned: Uint32Array
  readonly #programmed: Uint32Array
  readonly #absent: Uint32Array
  readonly #lagging = new Map<number, LaggingProxy[]>()
  readonly #absentProxies = new Map<number, LaggingProxy[]>()

  constructor(objects: ReadonlyMap<string, CompiledObject>, names: readonly string[]) {
    this.#names = names
    // An object that concerns somebody and is not there is about to go.
    this.#since = Float64Array.from(names, (name) => objects.get(name)?.round ?? 0)
    this.#concerned = new Uint32Array(names.length)
    this.#programmed = new Uint32Array(names.length)
    this.#absent = new Uint32Array(names.length)
  }

  add(objects: Uint32Array, members: Members): void {
    const { connected, rounds, refusing, absent } = members
    if (connected.length + absent.length === 0) return
    const slowest = rounds[0] ?? Number.POSITIVE_INFINITY
    for (const object of objects) {
      const since = this.#since[object] ?? 0
      const behind = slowest >= since ? 0 : countBelow(rounds, since)
      this.#concerned[object] = (this.#concerned[object] ?? 0) + connected.length
      this.#programmed[object] = (this.#programmed[object] ?? 0) + connected.length - behind
      for (let at = 0; at < Math.min(behind, MAX_NAMED); at++) name(this.#lagging, object, connected[at])
      if (absent.length === 0) continue
      this.#absent[object] = (this.#absent[object] ?? 0) + absent.length
      for (const proxy of absent.slice(0, MAX_NAMED)) name(this.#absentProxies, object, proxy)
    }
    if (refusing.length > 0) this.#refuse(objects, refusing)
  }

  #refuse(objects: Uint32Array, refusing: readonly ProxyProgress[]): void {
    const numbers = new Map(Array.from(objects, (object) => [this.#names[object] ?? '', object]))
    for (const proxy of refusing) {
      for (const blamed of proxy.rejection?.objects ?? []) {
        const object = numbers.get(blamed)
        const since = object === undefined ? 0 : (this.#since[object] ?? 0)
        // Taken before it was refused, or counted as behind already.
        if (object === undefined || proxy.cleanRound >= since || proxy.takenRound < since) continue
        this.#programmed[object] = (this.#programmed[object] ?? 1) - 1
        name(this.#lagging, object, proxy)
      }
    }
  }

  rows(objects: ReadonlyMap<string, CompiledObject>): readonly ObjectProgress[] {
    const numbers = new Map(this.#names.map((object, number) => [object, number]))
    return [...objects].map(([object, { uid, generation }]) => {
      const number = numbers.get(object) ?? -1
      return {
        ...{ object, uid, generation },
        concerned: this.#concerned[number] ?? 0,
        programmed: this.#programmed[number] ?? 0,
        lagging: sorted(this.#lagging.get(number)),
        absent: this.#absent[number] ?? 0,
        absentProxies: sorted(this.#absentProxies.get(number)),
      }
    })
  }
}

function countBelow(rounds: Float64Array, since: number): number {
  let low = 0
  let high = rounds.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((rounds[middle] ?? 0) < since) low = middle + 1
    else high = middle
  }
  return low
}

function name(into: Map<number, LaggingProxy[]>, object: number, progress: ProxyProgress | undefined): void {
  const named = into.get(object) ?? []
  if (progress === undefined || named.length >= MAX_NAMED) return
  into.set(object, named)
  const { proxy, sinceMs, rejection, isConnected } = progress
  const why = isConnected ? (rejection === undefined ? 'unanswered' : 'rejected') : 'gone'
  named.push({ proxy, why, sinceMs, ...(rejection === undefined ? {} : { message: rejection.message }) })
}

const NOBODY: readonly LaggingProxy[] = []

function sorted(named: readonly LaggingProxy[] | undefined): readonly LaggingProxy[] {
  return named === undefined ? NOBODY : [...named].sort((a, b) => (a.proxy < b.proxy ? -1 : a.proxy > b.proxy ? 1 : 0))
}
