// One instance of a LocalWorkload: its sidecar, and its application as soon as the sidecar is ready. Driven by the supervisor.
// Invariant: the application never runs without its sidecar having been ready once; on a stop the application goes first, because
// it may need its sidecar to finish what it has begun.
import path from 'node:path'
import type { LocalProbe, LocalWorkload } from '../api/generated/local-workload.gen.ts'
import type { Clock } from '../base/clock.ts'
import { delay } from '../base/clock.ts'
import { canonicalJson } from '../base/content-hash.ts'
import type { Random } from '../base/random.ts'
import { Watchable } from '../base/watchable.ts'
import type { WorkloadAddresses } from '../model/address-plan.ts'
import { applicationEnvironment } from './environment.ts'
import type { Guardian } from './guardian.ts'
import { ManagedProcess, type ProcessSpec } from './managed-process.ts'
import type { Output } from './output.ts'
import { type Probe, probeOnce, untilReady } from './readiness.ts'

export interface InstanceOptions {
  /** `<namespace>/<name>` of the instance. */
  readonly key: string
  readonly workload: LocalWorkload
  readonly addresses: WorkloadAddresses
  /** Writes bootstrap and join token anew and returns the sidecar's command. */
  readonly sidecar: () => Promise<ProcessSpec>
  readonly inheritedEnv: Readonly<Record<string, string | undefined>>
  readonly nodeFolder: string
  /** Where relative commands start when the object does not say which file it came from. */
  readonly defaultFolder: string
  readonly clock: Clock
  readonly random: Random
  readonly guardian: Guardian
  readonly output: Output
}

/** How soon a stopping process must be gone. */
const APPLICATION_GRACE_MS = 5_000
const SIDECAR_GRACE_MS = 10_000
const SIDECAR_PROBE_MS = 50
/** Well below the second for which a draining sidecar goes on accepting. */
const SIDECAR_WATCH_MS = 250

export class Instance {
  readonly key: string
  /** Sidecar and application both answer their probes; without an application the sidecar alone. */
  readonly ready = new Watchable(false)
  readonly #answers = { sidecar: false, application: false }
  readonly #options: InstanceOptions
  readonly #stopping = new AbortController()
  readonly #sidecar: ManagedProcess
  #application: ManagedProcess | undefined
  readonly #lifecycle: Promise<void>

  constructor(options: InstanceOptions) {
    this.#options = options
    this.key = options.key
    const { clock, random, guardian, output } = options
    this.#sidecar = new ManagedProcess({ label: `${this.#name} sidecar`, spec: options.sidecar, clock, random, guardian, output })
    this.#lifecycle = this.#run()
  }

  get #name(): string {
    return this.#options.key.split('/')[1] ?? this.#options.key
  }

  async stopApplication(): Promise<void> {
    this.#stopping.abort()
    this.ready.set(false)
    await this.#application?.stop(APPLICATION_GRACE_MS)
  }

  async stopSidecar(): Promise<void> {
    this.#stopping.abort()
    this.ready.set(false)
    await this.#sidecar.stop(SIDECAR_GRACE_MS)
    await this.#lifecycle
  }

  async #run(): Promise<void> {
    const { clock, random, guardian, output, addresses, workload } = this.#options
    const sidecarProbe: Probe = { kind: 'http', at: addresses.admin, path: '/ready', timeoutMs: 1000 }
    if (!(await untilReady(sidecarProbe, clock, SIDECAR_PROBE_MS, this.#stopping.signal))) return
    this.#note('sidecar', true)
    const sidecarWatched = this.#watchSidecar(sidecarProbe)
    if (workload.spec.command === undefined) {
      this.#note('application', true)
      return sidecarWatched
    }
    const spec = (): ProcessSpec => this.#applicationSpec(workload.spec.command ?? [])
    this.#application = new ManagedProcess({ label: this.#name, spec, clock, random, guardian, output })
    // At once, not at the next probe: a quick restart would go unnoticed, and its requests would be refused meanwhile.
    this.#application.state.watch((state) => {
      if (state.kind !== 'running') this.#note('application', false)
    })
    await Promise.all([sidecarWatched, this.#watchReadiness(workload.spec.readinessProbe)])
  }

  #note(part: 'sidecar' | 'application', answers: boolean): void {
    this.#answers[part] = answers
    this.ready.set(this.#answers.sidecar && this.#answers.application && !this.#stopping.signal.aborted)
  }

  /** A sidecar that drains says so and goes on serving for a while: in that time its callers must hear of it. */
  async #watchSidecar(probe: Probe): Promise<void> {
    const { signal } = this.#stopping
    this.#sidecar.state.watch((state) => {
      if (state.kind !== 'running') this.#note('sidecar', false)
    })
    while (!signal.aborted) {
      const why = await probeOnce(probe)
      this.#note('sidecar', why === undefined)
      await delay(this.#options.clock, why === undefined ? SIDECAR_WATCH_MS : SIDECAR_PROBE_MS, signal)
    }
  }

  #applicationSpec(command: readonly string[]): ProcessSpec {
    const { workload, addresses, inheritedEnv, nodeFolder, defaultFolder } = this.#options
    const declaredIn = workload.source === undefined ? defaultFolder : path.dirname(workload.source.file)
    const env = applicationEnvironment({
      addresses,
      namespace: workload.metadata.namespace ?? 'default',
      name: this.#name,
      declared: workload.spec.env ?? [],
      inherited: inheritedEnv,
      nodeFolder,
    })
    return { command, cwd: path.resolve(defaultFolder, declaredIn, workload.spec.workingDirectory ?? '.'), env }
  }

  /** Kubernetes' rhythm: ready after one success, not ready after `failureThreshold` failures in a row. */
  async #watchReadiness(declared: LocalProbe | undefined): Promise<void> {
    const { clock, addresses } = this.#options
    const probe = applicationProbe(declared, addresses)
    if (probe === undefined) {
      this.#note('application', true)
      return
    }
    const { signal } = this.#stopping
    let failures = 0
    while (!signal.aborted) {
      const why = await probeOnce(probe)
      if (signal.aborted) return
      failures = why === undefined ? 0 : failures + 1
      if (why === undefined) this.#note('application', true)
      else if (failures >= (declared?.failureThreshold ?? 3)) this.#note('application', false)
      // Until it is ready a second is long: people wait for the first page.
      await delay(clock, this.#answers.application ? (declared?.periodSeconds ?? 1) * 1000 : 100, signal)
    }
  }
}

/** The probe as the sidecar's neighbour asks it: straight at the application, as the kubelet's probes are rewritten to be. */
export function applicationProbe(declared: LocalProbe | undefined, addresses: WorkloadAddresses): Probe | undefined {
  const port = declared?.httpGet?.port ?? declared?.tcpSocket?.port ?? addresses.inbound[0]?.containerPort
  const at = addresses.inbound.find((each) => each.name === port || each.containerPort === Number(port))?.application
  if (at === undefined) return undefined
  const timeoutMs = (declared?.timeoutSeconds ?? 1) * 1000
  return declared?.httpGet === undefined
    ? { kind: 'tcp', at, timeoutMs }
    : { kind: 'http', at, path: declared.httpGet.path ?? '/', timeoutMs }
}

/** What a running instance depends on: when it differs, the instance is replaced. A new Service elsewhere is not among it. */
export function instanceFingerprint(workload: LocalWorkload, addresses: WorkloadAddresses): string {
  const { outbound, ...own } = addresses
  // One more replica, or one less, is no reason to replace the others.
  const { replicas: _replicas, ...spec } = workload.spec
  return canonicalJson({
    spec,
    labels: workload.metadata.labels ?? {},
    own,
    published: outbound.filter((each) => each.published),
  })
}
