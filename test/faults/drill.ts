// The course of a drill, the same for every fault: a load of 500 requests a second that goes on all the time, half of it to an upstream
// that falls sick and half to one that stays well, and books that make it a proof. Each fault cuts the load into phases:
//   <fault>-before   all is well
//   <fault>-inject   the fault is being made; either may happen
//   <fault>-fault    it is in force: everything sick gets the stated answer, everything well is answered
//   <fault>-mend     it is being ended, and its last victims are answered; either may happen
//   <fault>-after    all is well again, in the same process
// Invariant: each request is answered once or broken once, the access log has one line for each, and the metrics count those lines.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type Backend, startBackend } from './backends.ts'
import type { ClusterShape, RouteShape } from './bootstrap.ts'
import { type LanePlan, Load, type PhaseCounts, sum } from './load.ts'
import { type LoggedRequest, type Sidecar, type SidecarOptions, startSidecar, temporaryFolder } from './sidecar.ts'
import { clusterOf, HTTP1, Identities, type Wire } from './wires.ts'

/** Of all lanes together: what the project promises to stand. */
const RATE_PER_SECOND = 500
/** Requests that a phase must have seen answered to count as one, in each lane: at the rate, not half a second. */
const SEEN = 100

export interface DrillOptions {
  readonly wire?: Wire
  /** Nothing: there is no sick upstream, the whole load goes to one that is well. */
  readonly sick?: {
    readonly under?: readonly string[]
    readonly host?: string
    /** An upstream of the test's own instead of the process. */
    readonly at?: { readonly host: string; readonly port: number }
    readonly cluster?: Readonly<Record<string, unknown>>
    readonly http2?: object
    readonly route?: Readonly<Record<string, unknown>>
    /** false: who is sick is called by the test, not by the load. */
    readonly inLoad?: boolean
    readonly lane?: Partial<LanePlan>
  }
  /** Of the healthy route. */
  readonly well?: { readonly cluster?: Readonly<Record<string, unknown>>; readonly route?: Readonly<Record<string, unknown>> }
  readonly lane?: Partial<LanePlan>
  readonly clusters?: readonly ClusterShape[]
  readonly routes?: readonly RouteShape[]
  readonly sidecar?: Partial<SidecarOptions>
}

/** Status -> the response flags that its lines may carry; 0: those of requests whose connection or stream was cut, none: of which no
 *  line tells. */
export type Answers = Readonly<Record<number, readonly string[]>>

export interface Fault {
  /** One word of small letters: the phases are called after it. */
  readonly name: string
  /** Resolves when it is in force. */
  readonly inject: () => Promise<void> | void
  /** A hundred requests to the sick upstream that are answered so (or broken) must have been seen before it is ended. */
  readonly until: number | 'broken'
  readonly mend: () => Promise<void> | void
  /** Of requests to the sick upstream while it lasts. */
  readonly answers: Answers
  /** Further ones to requests that are under way when it begins or ends. */
  readonly underWay?: Answers
}

/** What 20 ms bring to a lane. */
const OVERLAPPING = Math.ceil(RATE_PER_SECOND / 2 / 50)

export class Drill {
  readonly sidecar: Sidecar
  readonly backend: Backend
  readonly load: Load
  readonly identities: Identities | undefined
  readonly #t: TestContext
  readonly #lanes: readonly string[]
  readonly #stated = new Map<string, Answers>()

  constructor(t: TestContext, parts: Pick<Drill, 'sidecar' | 'backend' | 'load' | 'identities'>, lanes: readonly string[]) {
    this.#lanes = lanes
    this.#t = t
    this.sidecar = parts.sidecar
    this.backend = parts.backend
    this.load = parts.load
    this.identities = parts.identities
  }

  /** Everything is answered, in every lane. */
  async allIsWell(phase: string): Promise<void> {
    for (const lane of this.#lanes) await this.load.until({ lane, phase, status: 200, least: SEEN })
  }

  /** One fault, from health to health. May be called again: the same process has to stand them all. */
  async during({ name, inject, until, mend, answers, underWay = {} }: Fault): Promise<void> {
    const { load } = this
    const [before, injecting, fault, mending, after] = ['before', 'inject', 'fault', 'mend', 'after'].map((each) => `${name}-${each}`)
    if (before === undefined || injecting === undefined || fault === undefined || mending === undefined || after === undefined) return
    await load.phase(before)
    await this.allIsWell(before)
    const hit = (await load.phase(injecting)).sick ?? 0
    await inject()
    const turning = (await load.phase(fault)).sick ?? 0
    await load.until({ lane: 'sick', phase: fault, status: until, least: SEEN })
    await load.until({ lane: 'well', phase: fault, status: 200, least: SEEN })
    const waiting = (await load.phase(mending)).sick ?? 0
    await mend()
    await load.untilAllAnswered('sick', fault)
    await load.until({ lane: 'sick', phase: mending, status: 200, least: 1 })
    await load.phase(after)
    await this.allIsWell(after)
    const either = { 200: ['-'], ...answers, ...underWay }
    for (const phase of [before, injecting, fault, mending]) {
      await load.untilAllAnswered('sick', phase)
      this.#stated.set(`sick/${phase}`, either)
    }
    const unwell = (phase: string): number => load.counts('sick', phase).answered - (load.counts('sick', phase).statuses[200] ?? 0)
    assert.ok(unwell(before) <= hit, `who was answered before the fault was not harmed by it: ${load.describe(name)}`)
    const { answered, statuses, broken } = load.counts('sick', fault)
    const asStated = Object.keys(answers).reduce(
      (total, status) => total + (status === '0' ? sum(broken) : (statuses[Number(status)] ?? 0)),
      0,
    )
    // A failed connect fails all that wait for one: who came in its last milliseconds shares what befell those of before the fault.
    const otherwise = waiting + turning + OVERLAPPING
    assert.ok(
      answered - asStated <= otherwise,
      `only who waited when the fault began or ended (at most ${otherwise}) was answered otherwise: ${load.describe(name)}`,
    )
    assert.ok(asStated >= SEEN, `the fault was in force: ${load.describe(name)}`)
    this.#t.diagnostic(load.describe(name))
  }

  /** Ends the load, and closes the books of all its phases: what `during` stated, and 200 where nothing was stated.
   *  @param answers further statements, by lane and phase: 'well/before'. */
  async finish(answers: Readonly<Record<string, Answers>> = {}, unexpectedErrors = 0): Promise<void> {
    const { load, sidecar } = this
    for (const [phase, stated] of Object.entries(answers)) this.#stated.set(phase, stated)
    await load.stop()
    this.#t.diagnostic(load.describe(''))
    assert.ok(sidecar.isAlive, `the proxy ended: ${sidecar.log.join('\n')}`)
    // All that the rate says was sent, except for the last tick of each lane.
    const sent = this.#lanes.flatMap((lane) => load.phases(lane)).reduce((total, [, counts]) => total + counts.sent, 0)
    assert.ok(sent >= Math.floor((load.elapsedMs * RATE_PER_SECOND) / 1000) - this.#lanes.length, `${sent} in ${load.elapsedMs} ms`)
    for (const lane of this.#lanes) assert.equal(load.unsent(lane), 0)
    const logged = await this.#untilAllLogged()
    for (const lane of this.#lanes) {
      for (const [phase, counts] of load.phases(lane)) {
        const name = `${lane}/${phase}`
        assertPhase(name, counts, this.#stated.get(name) ?? { 200: ['-'] }, logged.get(`/${name}`) ?? [])
      }
    }
    await this.assertSound(unexpectedErrors)
  }

  /** The same process, ready, with nothing left behind and nothing that it did not expect; its metrics tell what its log tells. */
  async assertSound(unexpectedErrors = 0): Promise<void> {
    const { sidecar } = this
    assert.ok(sidecar.isAlive, `the proxy ended: ${sidecar.log.join('\n')}`)
    assert.equal((await sidecar.ask('/ready')).status, 200)
    assert.equal(await sidecar.metric('lateen_proxy_unexpected_errors_total'), unexpectedErrors, sidecar.log.join('\n'))
    await sidecar.untilMetric((value) => value === 0, 'lateen_proxy_downstream_requests')
    await sidecar.untilMetric((value) => value === 0, 'lateen_proxy_upstream_requests')
  }

  /** Of every status and flag as many in `istio_requests_total` as in the access log. */
  async assertMetricsTellTheLog(requests: readonly LoggedRequest[] = this.sidecar.requests()): Promise<void> {
    const kinds = new Map<string, number>()
    for (const { status, flags } of requests.filter(({ path }) => path !== '-')) {
      const kind = `response_code="${status}" response_flags="${flags}"`
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    }
    for (const [kind, count] of kinds) {
      assert.equal(await this.sidecar.metric('istio_requests_total', ...kind.split(' ')), count, `istio_requests_total of ${kind}`)
    }
  }

  /** The log is written behind the counters, which have every request by now, those that were cut too. */
  async #untilAllLogged(): Promise<Map<string, LoggedRequest[]>> {
    await this.sidecar.untilMetric((value) => value === 0, 'lateen_proxy_downstream_requests')
    const requests = await this.sidecar.metric('istio_requests_total')
    const connections = await this.sidecar.metric('istio_tcp_connections_closed_total')
    const lines = await this.sidecar.untilLogged(requests + connections, () => true)
    return Map.groupBy(lines, ({ path }) => path)
  }
}

function assertPhase(name: string, counts: PhaseCounts, allowed: Answers, logged: readonly LoggedRequest[]): void {
  // The answer had begun and was cut: the line has the status, the client has none.
  const wasCut = ({ status, flags }: LoggedRequest): boolean => status === 200 && flags !== '-' && allowed[0]?.includes(flags) === true
  const story = `${name}: ${JSON.stringify(counts)}`
  assert.equal(sum(counts.statuses) + sum(counts.broken), counts.sent, `every request is answered or broken once: ${story}`)
  if (allowed[0] === undefined) assert.deepEqual(counts.broken, {}, `connections broke: ${story}`)
  const others = Object.keys(counts.statuses).filter((status) => allowed[Number(status)] === undefined)
  assert.deepEqual(others, [], `answers that were not to be given: ${story}`)
  for (const [status, count] of Object.entries(counts.statuses)) {
    const lines = logged.filter((line) => line.status === Number(status) && !wasCut(line))
    assert.equal(lines.length, count, `the access log tells another story of ${status} in ${story}`)
    const wrong = lines.find(({ flags }) => !allowed[Number(status)]?.includes(flags))
    assert.equal(wrong, undefined, `a flag that is not stated in ${name}`)
  }
  if (allowed[0] === undefined || allowed[0].length === 0) return
  const cut = logged.filter(wasCut)
  assert.equal(cut.length, sum(counts.broken), `as many lines of ${allowed[0]} as answers were cut: ${story}`)
}

export async function startDrill(t: TestContext, options: DrillOptions = {}): Promise<Drill> {
  const { wire = HTTP1, sick, well, sidecar: shape = {} } = options
  const folder = temporaryFolder(t)
  const identities = wire.tls ? new Identities(folder) : undefined
  const [backend, healthy] = await Promise.all([
    startBackend(t, { wire, identities, under: sick?.under, host: sick?.host }),
    startBackend(t, { wire, identities }),
  ])
  const { host, port } = sick?.at ?? backend
  const clusters: ClusterShape[] = [
    { name: 'sick', host, port, overrides: { ...clusterOf(wire, identities, sick?.http2), ...sick?.cluster } },
    { name: 'well', host: healthy.host, port: healthy.port, overrides: { ...clusterOf(wire, identities), ...well?.cluster } },
  ]
  const sidecar = await startSidecar(
    t,
    {
      ...shape,
      clusters: [...clusters, ...(options.clusters ?? [])],
      routes: [{ to: 'sick', action: sick?.route ?? {} }, { to: 'well', action: well?.route ?? {} }, ...(options.routes ?? [])],
      ...(identities === undefined ? {} : { filterChain: { transport_socket: identities.transportSocket('Downstream', wire.protocol) } }),
    },
    folder,
  )
  const names = sick === undefined || sick.inLoad === false ? ['well'] : ['sick', 'well']
  const lanes = names.map((name) => ({
    name,
    protocol: wire.protocol,
    host: sidecar.host,
    port: sidecar.port,
    ratePerSecond: RATE_PER_SECOND / names.length,
    // A sick lane may wait for one and a half seconds; all of them together are fewer than a limit of 1,024 descriptors lets the proxy take.
    connections: name === 'sick' ? 448 : 192,
    tls: identities && { ca: identities.ca.rootPem, cert: identities.client.chainPem, key: identities.client.keyPem },
    ...options.lane,
    ...(name === 'sick' ? sick?.lane : {}),
  }))
  return new Drill(t, { sidecar, backend, load: new Load(t, lanes), identities }, names)
}
