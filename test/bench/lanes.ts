// One peer of a scenario from its start to the end of the last round: its chain, started once, warmed up once, then put under windows of load
// in turn with the others. Called by data-plane.ts, threads.ts and profile.ts.
// Invariant: `#sent` is every request that the chain has ever seen, so that our own books can be held against it.
import type { ChildProcess } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { LoadReport } from '../harness/load.ts'
import { runLoadProcess } from '../harness/load-process.ts'
import { assertAllAnswered, assertBooksBalance } from './books.ts'
import { BENCH_HOST } from './bootstraps.ts'
import { type Chain, OTHERS_CPU, type Scenario, startBackend, startChain } from './chains.ts'
import type { Peer } from './peers.ts'
import type { Scope } from './scope.ts'
import { residentMb, withCost } from './turns.ts'
import { FIRST_REQUESTS, type WarmUp } from './warm-up.ts'

/** Without a proxy: what the load generator and the backend take by themselves. */
export const DIRECT = 'direct'

export interface Load {
  readonly connections: number
  /** Undefined: as much as goes through. */
  readonly ratePerSecond?: number
}

export const SATURATED: Load = { connections: 64 }

export interface Window {
  readonly report: LoadReport
  readonly cpuUsPerRequest: number
  readonly rssMb: number
}

export class Lane {
  readonly name: string
  readonly proxies: readonly ChildProcess[]
  readonly idleRssMb: number
  readonly #chain: Pick<Chain, 'entryPort' | 'hops'>
  #sent = 0

  private constructor(name: string, chain: Chain) {
    this.name = name
    this.proxies = chain.proxies
    this.#chain = chain
    this.idleRssMb = residentMb(chain.proxies)
  }

  /** @param name differs from the peer's where one peer runs in two ways. */
  static async start(peer: Peer, scenario: Scenario, { folder, children }: Scope, cpus?: string, name = peer.name): Promise<Lane> {
    const own = path.join(folder, name)
    mkdirSync(own)
    return new Lane(name, await startChain(peer, scenario, own, children, cpus))
  }

  static async direct({ children }: Scope): Promise<Lane> {
    return new Lane(DIRECT, { entryPort: await startBackend(children), hops: [], proxies: [] })
  }

  /** Always saturated. @returns CPU per request of the first requests after the start, when hardly anything is compiled. */
  async warmUp({ requests, maxSeconds }: WarmUp): Promise<number> {
    const first = await this.run(SATURATED, maxSeconds, Math.min(FIRST_REQUESTS, requests))
    const leftSeconds = maxSeconds - first.report.elapsedMs / 1000
    if (requests > this.#sent && leftSeconds > 0) await this.run(SATURATED, leftSeconds, requests - this.#sent)
    return first.cpuUsPerRequest
  }

  /** @param requests ends it before its time is over. */
  async run({ connections, ratePerSecond }: Load, seconds: number, requests?: number): Promise<Window> {
    const plan = {
      host: '127.0.0.1',
      port: this.#chain.entryPort,
      connections,
      ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
      ...(requests === undefined ? {} : { requests }),
      durationMs: seconds * 1000,
      method: 'GET' as const,
      path: '/reviews/0',
      headers: { host: BENCH_HOST, 'user-agent': 'lateen-bench' },
    }
    const { done: report, cpuUs } = await withCost(this.proxies, () => runLoadProcess(plan, OTHERS_CPU))
    assertAllAnswered(this.name, report)
    this.#sent += report.sent
    return { report, cpuUsPerRequest: cpuUs / report.sent, rssMb: residentMb(this.proxies) }
  }

  get sent(): number {
    return this.#sent
  }

  /** For our own proxy: the others write other logs and other counters. */
  assertBooksBalance(): Promise<void> {
    return assertBooksBalance(this.#chain.hops, this.#sent)
  }
}
