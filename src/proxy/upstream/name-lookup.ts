// Addresses of upstreams that are given by name (STRICT_DNS, LOGICAL_DNS). Asked by every connection that is opened to one.
// As Envoy does it: a name is asked for again when its answer is five seconds old, in the background; while that fails, the last
// addresses stay in use. One question per name at a time: getaddrinfo occupies one of four threads that write the access log too.
// Invariant: a name server that is silent costs a name without an answer its connect timeout, and a name with one nothing.
import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { errorCode, errorMessage } from '../../base/errors.ts'

/** Envoy: dns_refresh_rate. */
const REFRESH_AFTER_MS = 5000
/** More names than any mesh's clusters have; one that is forgotten is only asked for again. */
const MAX_NAMES = 4096

/** Node's dns.lookup, in the one form that is used here. */
export type AskSystem = (name: string, done: (error: Error | null, addresses: readonly LookupAddress[]) => void) => void
type Done = (error: Error | null, addresses: readonly LookupAddress[]) => void

interface KnownName {
  addresses: readonly LookupAddress[]
  askedMs: number
  asking: boolean
  waiting: Done[]
}

const askSystem: AskSystem = (name, done) =>
  systemLookup(name, { all: true }, (error, addresses) => done(error, error === null ? addresses : []))

export class NameLookup {
  readonly #clock: Clock
  readonly #onFailure: (name: string, problem: string, usesLast: boolean) => void
  readonly #ask: AskSystem
  readonly #names = new Map<string, KnownName>()

  constructor(clock: Clock, onFailure: (name: string, problem: string, usesLast: boolean) => void, ask: AskSystem = askSystem) {
    this.#clock = clock
    this.#onFailure = onFailure
    this.#ask = ask
  }

  /** For net.connect. */
  readonly lookup: LookupFunction = (name, options, callback) => {
    this.#resolve(name, (error, found) => {
      const wanted = options.family === 4 || options.family === 6 ? found.filter(({ family }) => family === options.family) : found
      const [first] = wanted
      if (error !== null || first === undefined) callback(error ?? new Error(`${name} has no address of the wanted family`), '', 0)
      else if (options.all === true) callback(null, [...wanted])
      else callback(null, first.address, first.family)
    })
  }

  #resolve(name: string, done: Done): void {
    const known = this.#names.get(name) ?? this.#create(name)
    const isOld = this.#clock.monotonicMs() - known.askedMs >= REFRESH_AFTER_MS
    // Never called back at once: a socket is not ready for it.
    if (known.addresses.length > 0) queueMicrotask(() => done(null, known.addresses))
    else known.waiting.push(done)
    if (!known.asking && (isOld || known.addresses.length === 0)) this.#askFor(name, known)
  }

  #create(name: string): KnownName {
    if (this.#names.size >= MAX_NAMES) this.#names.clear()
    const created = { addresses: [], askedMs: Number.NEGATIVE_INFINITY, asking: false, waiting: [] }
    this.#names.set(name, created)
    return created
  }

  #askFor(name: string, known: KnownName): void {
    known.asking = true
    known.askedMs = this.#clock.monotonicMs()
    this.#ask(name, (error, addresses) => {
      known.asking = false
      if (error === null && addresses.length > 0) known.addresses = addresses
      else this.#onFailure(name, error === null ? 'no address' : (errorCode(error) ?? errorMessage(error)), known.addresses.length > 0)
      const waiting = known.waiting.splice(0)
      for (const each of waiting) each(known.addresses.length > 0 ? null : (error ?? new Error('no address')), known.addresses)
    })
  }
}
