// The loop that keeps the mesh current: wishes and readiness in, a compiled snapshot and resources per proxy out. Started by start.ts.
// Invariants: `current` is replaced whole; a round that fails leaves the last good one in force and says so; rounds never overlap.
import { isDeepStrictEqual } from 'node:util'
import type { Finding } from '../../api/finding.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage, ignore } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { ReadonlyWatchable } from '../../base/watchable.ts'
import type { AddressPlan } from '../../model/address-plan.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { IngestState } from '../../operator/ingest/config-source.ts'
import type { KubeState } from '../../operator/ingest/kube-state.ts'
import type { AddressBook } from '../../standalone/address-book.ts'
import { type DebounceOptions, debounce } from '../../xds/serve/debounce.ts'
import type { CompileClient } from './compile-client.ts'
import type { FindingPages } from './finding-pages.ts'
import { pauseMs } from './pace.ts'
import { createFreshness, type FreshFindings, NOTHING_FRESH } from './say-findings.ts'

export interface CurrentMesh {
  readonly state: KubeState
  readonly addresses: AddressPlan
  readonly settings: MeshSettings
  readonly findings: { readonly ofReading: readonly Finding[]; readonly ofCompiling: FindingPages }
  /** What the address plan had no room for. */
  readonly problems: readonly string[]
  readonly compiledMs: number
}

export interface MeshLoopOptions {
  readonly source: ReadonlyWatchable<IngestState>
  readonly book: AddressBook
  readonly settings: MeshSettings
  /** Instances that were ready before a restart: forgetting them would take every endpoint away until the supervisor reports. */
  readonly ready: ReadonlySet<string>
  readonly clock: Clock
  readonly log: Logger
  readonly debounce?: DebounceOptions
  readonly compiler: CompileClient
  /** How long this thread has worked for proxies, ever: pushes to thousands are part of what a round costs. */
  readonly servingMs: () => number
  /** Runs before every round. */
  readonly tidy: () => void
  /** Told of every compile, once it is the current one: digests and statuses follow it. */
  readonly compiled?: (round: number, current: CurrentMesh) => void
  /** Told after every round what is new, of reading and of compiling. */
  readonly sayFindings: (fresh: readonly FreshFindings[]) => Promise<void>
}

export interface MeshLoop {
  /** Undefined before the first round. */
  readonly current: CurrentMesh | undefined
  readonly rounds: number
  setReady(ready: ReadonlySet<string>): void
  /** Runs a round now, for callers that wait for its findings. Never rejects. */
  refresh(): Promise<void>
  stop(): void
}

const MAX_PROBLEM_LINES = 20

export async function startMeshLoop(options: MeshLoopOptions): Promise<MeshLoop> {
  const { source, book, clock, log } = options
  let current: CurrentMesh | undefined
  let { ready } = options
  let compiledFrom: { readonly ingest: IngestState; readonly ready: ReadonlySet<string> } | undefined
  const freshIn = createFreshness()
  let rounds = 0
  let roundEndMs = Number.NEGATIVE_INFINITY
  let servedBeforeMs = 0
  let timer: Timer | undefined
  let waiting: Promise<void> | undefined
  let queue: Promise<void> = Promise.resolve()

  const round = async (): Promise<void> => {
    const startMs = clock.monotonicMs()
    servedBeforeMs = options.servingMs()
    const ingest = source.value
    const nowReady = ready
    // A caller that would not wait for the debounce was here already.
    if (compiledFrom?.ingest === ingest && compiledFrom.ready === nowReady) return
    options.tidy()
    const { state, findings } = ingest
    const { plan, problems } = await book.plan([...state.objects.LocalWorkload.values()], [...state.objects.Service.values()])
    const addresses = current !== undefined && isDeepStrictEqual(current.addresses, plan) ? current.addresses : plan
    const compiled = await options.compiler.compile({ state, addresses, ready: nowReady })
    current = {
      state,
      addresses,
      settings: options.settings,
      findings: { ofReading: findings, ofCompiling: compiled.findings },
      problems: problems.map(({ path, message }) => `${path}: ${message}`),
      compiledMs: clock.nowMs(),
    }
    options.compiled?.(compiled.round, current)
    const fresh = [compiledFrom?.ingest.findings === findings ? NOTHING_FRESH : freshIn(findings), compiled.fresh]
    compiledFrom = { ingest, ready: nowReady }
    rounds++
    for (const problem of current.problems.slice(0, MAX_PROBLEM_LINES)) log.warn('no address', { reason: problem })
    if (current.problems.length > MAX_PROBLEM_LINES)
      log.warn('more without an address', { count: current.problems.length - MAX_PROBLEM_LINES })
    const counts = { ...compiled.counts, findings: findings.length + compiled.findings.count }
    log.info('mesh compiled', { revision: state.revision, ...counts, ms: Math.round(clock.monotonicMs() - startMs) })
    await options.sayFindings(fresh)
    roundEndMs = clock.monotonicMs()
  }
  const refresh = (): Promise<void> => {
    const next = queue.then(round).catch((error: unknown) => {
      log.error('the mesh could not be compiled; the last good configuration stays in force', { reason: errorMessage(error) })
    })
    queue = next
    return next
  }
  const pause = (): number =>
    pauseMs(Math.max(options.compiler.busyMs, options.servingMs() - servedBeforeMs), clock.monotonicMs() - roundEndMs)
  /** One round for all who wait; looked at again after the pause, because the last one may still cost. */
  const paced = (): Promise<void> => {
    const waitMs = pause()
    if (waitMs <= 0) return refresh()
    waiting ??= new Promise((resolve) => {
      timer = clock.after(waitMs, () => {
        waiting = undefined
        resolve(paced())
      })
    })
    return waiting
  }
  const debounced = debounce(clock, paced, options.debounce)
  const unwatch = source.watch(() => debounced.changed())
  await refresh()
  return {
    get current() {
      return current
    },
    get rounds() {
      return rounds
    },
    setReady(next) {
      if (next.size === ready.size && [...next].every((key) => ready.has(key))) return
      ready = next
      // Not debounced: an endpoint that answers (or stops answering) is what requests wait for.
      ignore(paced(), 'rounds do not reject')
    },
    refresh,
    stop() {
      unwatch()
      timer?.cancel()
      debounced.stop()
    },
  }
}
