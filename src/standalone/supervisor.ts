// Runs a standalone mesh: control plane, then sidecars, then applications; keeps them running; takes them down in the opposite order.
// Called by `lateen run`. What should run is asked of the control plane, so that `lateen apply` of a LocalWorkload starts it.
// Invariant: nothing that was started here is left when `run` resolves; when this process dies first, the guardian does it.
import path from 'node:path'
import type { LocalWorkload } from '../api/generated/local-workload.gen.ts'
import { type Clock, delay } from '../base/clock.ts'
import { errorMessage, LateenError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { HostPort, WorkloadAddresses } from '../model/address-plan.ts'
import { sidecarBootstrap } from './bootstrap.ts'
import { isFree, nextFreePort } from './free-ports.ts'
import type { Guardian } from './guardian.ts'
import { Instance, instanceFingerprint } from './instance.ts'
import { ManagedProcess, type ProcessSpec } from './managed-process.ts'
import { askDesiredMesh, askVersion, type DesiredMesh, mintJoinToken, reportReady } from './mesh-api.ts'
import { connectMesh, type MeshClient } from './mesh-client.ts'
import type { Output } from './output.ts'
import { type StateFolder, writePrivateFile } from './state-folder.ts'

export interface SupervisorOptions {
  readonly dir: string
  readonly folder: StateFolder
  /** The program that understands `control-plane` and `proxy`: node and the dispatcher. */
  readonly program: readonly string[]
  readonly sidecarNodeOptions: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly nodeFolder: string
  readonly version: string
  readonly clock: Clock
  readonly random: Random
  readonly guardian: Guardian
  readonly output: Output
  /** Aborts when the mesh must stop. */
  readonly signal: AbortSignal
}

const POLL_MS = 250
const CONTROL_PLANE_START_MS = 20_000
const CONTROL_PLANE_GRACE_MS = 5_000
/** What the control plane's certificate names, under Istio's name so that a stock proxy's settings fit. */
export const CONTROL_PLANE_SAN = 'istiod.istio-system.svc'

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #client: MeshClient
  readonly #instances = new Map<string, { readonly instance: Instance; readonly fingerprint: string }>()
  #announced = new Set<string>()
  #publishedChecked = new Set<number>()
  #xds: HostPort | undefined
  /** Ends the pause between two rounds: readiness is passed on at once. */
  #wake = new AbortController()

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#client = connectMesh(options.folder.socket)
  }

  /** Resolves when everything is down again; rejects (after taking everything down) when the mesh cannot start. */
  async run(): Promise<void> {
    const { clock, random, guardian, output, signal } = this.#options
    const controlPlane = new ManagedProcess({
      label: 'control-plane',
      spec: () => this.#controlPlaneSpec(),
      clock,
      random,
      guardian,
      output,
    })
    try {
      await this.#untilControlPlaneAnswers(controlPlane)
      while (!signal.aborted) {
        await this.#reconcile()
        this.#wake = new AbortController()
        await delay(clock, POLL_MS, AbortSignal.any([signal, this.#wake.signal]))
      }
    } finally {
      if (this.#instances.size > 0) output.say('stopping: applications, then sidecars, then the control plane')
      const all = [...this.#instances.values()].map(({ instance }) => instance)
      await Promise.all(all.map((instance) => instance.stopApplication()))
      await Promise.all(all.map((instance) => instance.stopSidecar()))
      await controlPlane.stop(CONTROL_PLANE_GRACE_MS)
    }
  }

  #controlPlaneSpec(): ProcessSpec {
    const { dir, folder, program } = this.#options
    return { command: [...program, 'control-plane', '--dir', dir, '--state', folder.path], cwd: dir, env: this.#meshEnv() }
  }

  async #untilControlPlaneAnswers(controlPlane: ManagedProcess): Promise<void> {
    const { clock, signal } = this.#options
    const deadlineMs = clock.monotonicMs() + CONTROL_PLANE_START_MS
    let last: unknown
    while (!signal.aborted) {
      try {
        this.#xds = (await askVersion(this.#client)).xds
        return
      } catch (error) {
        last = error
      }
      const { value: state } = controlPlane.state
      if (state.kind === 'waiting')
        throw new LateenError('CONTROL_PLANE_FAILED', `The control plane ${state.because}; its lines above say why.`)
      if (clock.monotonicMs() > deadlineMs) {
        throw new LateenError(
          'CONTROL_PLANE_SILENT',
          `The control plane gave no answer within ${CONTROL_PLANE_START_MS / 1000} s: ${errorMessage(last)}`,
        )
      }
      await delay(clock, 25, signal)
    }
  }

  /** One round: what should run against what runs. The control plane being away is no reason to stop anything. */
  async #reconcile(): Promise<void> {
    let desired: DesiredMesh
    try {
      desired = await askDesiredMesh(this.#client)
      this.#xds = (await askVersion(this.#client)).xds
    } catch {
      return
    }
    const wanted = wantedInstances(desired)
    await this.#stopUnwanted(wanted)
    for (const [key, { workload, addresses }] of wanted) {
      if (this.#instances.has(key)) continue
      await this.#checkPublished(addresses)
      this.#start(key, workload, addresses)
    }
    await this.#announceReady()
  }

  async #stopUnwanted(wanted: ReadonlyMap<string, Wanted>): Promise<void> {
    const leaving = [...this.#instances].filter(([key, { fingerprint }]) => {
      const next = wanted.get(key)
      return next === undefined || instanceFingerprint(next.workload, next.addresses) !== fingerprint
    })
    await Promise.all(
      leaving.map(async ([key, { instance }]) => {
        // Peers have lost it already (it is no longer wanted, or reported unready); the sidecar finishes what is under way.
        this.#options.output.say(`${key} stops: its LocalWorkload ${wanted.has(key) ? 'changed' : 'is gone'}`)
        await instance.stopSidecar()
        await instance.stopApplication()
        this.#instances.delete(key)
      }),
    )
  }

  #start(key: string, workload: LocalWorkload, addresses: WorkloadAddresses): void {
    const { dir, env, nodeFolder, clock, random, guardian, output } = this.#options
    const sidecar = (): Promise<ProcessSpec> => this.#sidecarSpec(key, workload, addresses)
    const instance = new Instance({
      key,
      workload,
      addresses,
      sidecar,
      inheritedEnv: env,
      nodeFolder,
      defaultFolder: dir,
      clock,
      random,
      guardian,
      output,
    })
    instance.ready.watch(() => this.#wake.abort())
    this.#instances.set(key, { instance, fingerprint: instanceFingerprint(workload, addresses) })
  }

  async #sidecarSpec(key: string, workload: LocalWorkload, addresses: WorkloadAddresses): Promise<ProcessSpec> {
    const { folder, program, sidecarNodeOptions, version } = this.#options
    const [node = '', ...rest] = program
    const xds = this.#xds
    if (xds === undefined) throw new LateenError('NO_CONTROL_PLANE', 'the control plane has not said where it listens')
    const { namespace, labels } = workload.metadata
    const serviceAccount = workload.spec.serviceAccount ?? 'default'
    const own = folder.proxyFolder(key)
    const bootstrap = path.join(own, 'bootstrap.json')
    const tokenFile = path.join(own, 'join-token')
    writePrivateFile(tokenFile, await mintJoinToken(this.#client, namespace, serviceAccount))
    const described = sidecarBootstrap({
      namespace,
      name: key.split('/')[1] ?? key,
      workload: workload.metadata.name,
      serviceAccount,
      labels,
      isGateway: workload.spec.gateway === true,
      addresses,
      xds,
      controlPlaneSan: CONTROL_PLANE_SAN,
      version,
    })
    writePrivateFile(bootstrap, `${JSON.stringify(described, null, 2)}\n`)
    const command = [
      node,
      ...sidecarNodeOptions,
      ...rest,
      'proxy',
      '-c',
      bootstrap,
      '--ca-address',
      `${xds.host}:${xds.port}`,
      '--ca-root',
      path.join(folder.path, 'root.pem'),
    ]
    return { command: [...command, '--join-token-file', tokenFile, '--state', own], cwd: own, env: this.#meshEnv() }
  }

  /** The mesh's own programs get the person's environment without what would redirect them. */
  #meshEnv(): Record<string, string> {
    return Object.fromEntries(Object.entries(this.#options.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
  }

  /** Before the sidecar fails on it: a published port that somebody has is a sentence with a way out. */
  async #checkPublished({ outbound }: WorkloadAddresses): Promise<void> {
    for (const { listen, published } of outbound) {
      if (!published || this.#publishedChecked.has(listen.port)) continue
      this.#publishedChecked.add(listen.port)
      if (await isFree(listen)) continue
      const other = await nextFreePort({ host: listen.host, port: listen.port + 1 })
      const sentence =
        `Port ${listen.port} on ${listen.host} is taken by another program, so the mesh cannot publish there. ` +
        `Stop that program, or use another port: npx lateen run ${this.#options.dir} --ingress-port ${other ?? 'PORT'}`
      // Applied later, it is one listener that does not open: no reason to take a running mesh down.
      if (this.#instances.size > 0 && this.#announced.size > 0) this.#options.output.say(sentence)
      else throw new LateenError('PORT_TAKEN', sentence)
    }
  }

  async #announceReady(): Promise<void> {
    const ready = [...this.#instances.values()].filter(({ instance }) => instance.ready.value).map(({ instance }) => instance.key)
    // Said again in every round: a control plane that is away now hears it when it is back.
    await reportReady(this.#client, ready).catch(() => undefined)
    const now = new Set(ready)
    const { output } = this.#options
    for (const key of now) if (!this.#announced.has(key)) output.say(`${key} is ready (${now.size} of ${this.#instances.size})`)
    for (const key of this.#announced) if (!now.has(key) && this.#instances.has(key)) output.say(`${key} is not ready`)
    this.#announced = now
  }
}

interface Wanted {
  readonly workload: LocalWorkload
  readonly addresses: WorkloadAddresses
}

function wantedInstances({ workloads, addresses }: DesiredMesh): ReadonlyMap<string, Wanted> {
  const byKey = new Map(workloads.map((workload) => [`${workload.metadata.namespace}/${workload.metadata.name}`, workload]))
  const wanted = new Map<string, Wanted>()
  for (const [key, planned] of Object.entries(addresses.workloads)) {
    const workload = byKey.get(planned.workload)
    if (workload !== undefined) wanted.set(key, { workload, addresses: planned })
  }
  return wanted
}
