// A mesh whose parts a test starts one by one: the control plane always, sidecars and applications as wanted, so that anything else
// (a stock Envoy, openssl, a server with a wrong certificate) can stand in a workload's place. `mesh.ts` is the whole of it.
import { type ChildProcess, spawn } from 'node:child_process'
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { Redacted } from '../../src/base/redacted.ts'
import { fullCodec } from '../../src/envoy/full-codec.ts'
import { buildCsr } from '../../src/identity/csr.ts'
import { sequence, set, utf8String } from '../../src/identity/der.ts'
import { OID } from '../../src/identity/oids.ts'
import { encodePem } from '../../src/identity/pem.ts'
import { workloadSpiffeId } from '../../src/identity/spiffe-id.ts'
import { ECDSA_SHA256, issueLeaf, keyIdOf, type SubjectAltName } from '../../src/identity/x509.ts'
import type { AddressPlan, HostPort, WorkloadAddresses } from '../../src/model/address-plan.ts'
import { grpcCaClient } from '../../src/proxy/certs/ca-client.ts'
import { sidecarBootstrap } from '../../src/standalone/bootstrap.ts'
import { applicationEnvironment } from '../../src/standalone/environment.ts'
import { claimMeshNumber } from '../../src/standalone/free-ports.ts'
import { askDesiredMesh, askVersion, isRecord, mintJoinToken, reportReady } from '../../src/standalone/mesh-api.ts'
import { connectMesh, type MeshClient } from '../../src/standalone/mesh-client.ts'
import { describeStateFolder, type MeshSettings, openStateFolder, writePrivateFile } from '../../src/standalone/state-folder.ts'
import type { ClientStatus } from '../../src/xds/serve/client-status.ts'
import { type AccessLogLine, parseAccessLog } from './access-log.ts'
import type { TestCertificate } from './certificates.ts'
import { endProcess } from './envoy.ts'
import { ECHO, isSynced, LATEEN, SHORT_TEMPORARY_FOLDER } from './mesh.ts'
import { ECHO_PORT } from './mesh-files.ts'
import { addressesIn, inboundIn, outboundIn } from './planned-addresses.ts'
import { waitFor } from './wait.ts'

/** The name in the control plane's certificate. */
const CONTROL_PLANE_SAN = 'istiod.istio-system.svc'
/** As `lateen run` chooses: macOS has no loopback aliases. */
const STRATEGY = process.platform === 'darwin' ? 'ports' : 'loopback'
const HOUR_MS = 3_600_000

export interface PartsOptions {
  /** File name -> YAML, as for `startMesh`. */
  readonly files: Readonly<Record<string, string>>
  readonly controlPlaneArgs?: readonly string[]
}

interface Part {
  readonly child: ChildProcess
  readonly lines: string[]
}

/** A control plane that answers, and nothing else. */
export async function startMeshParts(t: TestContext, options: PartsOptions): Promise<MeshParts> {
  const base = mkdtempSync(path.join(SHORT_TEMPORARY_FOLDER, 'lateen-parts-'))
  const number = await claimMeshNumber(undefined)
  const parts = new MeshParts(base, number.mesh, options)
  t.after(async () => {
    await parts.stop()
    number.release()
    rmSync(base, { recursive: true, force: true })
  })
  await parts.untilControlPlaneAnswers()
  return parts
}

/** All of an `echoMesh` with one instance of each version: three sidecars and their applications, ready. */
export async function startEchoParts(t: TestContext, options: PartsOptions): Promise<MeshParts> {
  const mesh = await startMeshParts(t, options)
  const versions = ['v1', 'v2'].filter((version) => mesh.has(`echo-${version}`))
  await mesh.setReady(['caller', ...versions.map((version) => `echo-${version}`)])
  await Promise.all([
    mesh.startSidecar('caller', 'caller', { app: 'caller', version: 'v1' }),
    ...versions.flatMap((version) => [
      mesh.startSidecar(`echo-${version}`, 'echo', { app: 'echo', version }),
      mesh.startEcho(`echo-${version}`, version),
    ]),
  ])
  const { length } = versions
  await waitFor(
    async () => {
      const proxies = await mesh.proxies()
      return proxies.length === length + 1 && proxies.every(isSynced)
    },
    { what: 'every proxy synced' },
  )
  return mesh
}

export class MeshParts {
  readonly dir: string
  readonly state: string
  readonly client: MeshClient
  readonly #parts = new Map<string, Part>()
  readonly #controlPlaneArgs: readonly string[]
  #plan: AddressPlan = { strategy: 'loopback', workloads: {} }
  #xds: HostPort = { host: '', port: 0 }

  constructor(base: string, meshNumber: number, { files, controlPlaneArgs = [] }: PartsOptions) {
    this.dir = path.join(base, 'mesh')
    this.state = path.join(base, 'state')
    mkdirSync(this.dir)
    for (const [name, text] of Object.entries(files)) this.write(name, text)
    const folder = openStateFolder(this.state)
    const settings: MeshSettings = { dir: this.dir, mesh: meshNumber, strategy: STRATEGY, ingressPort: undefined }
    writePrivateFile(folder.settingsFile, JSON.stringify(settings))
    this.client = connectMesh(folder.socket)
    this.#controlPlaneArgs = controlPlaneArgs
    this.startControlPlane()
  }

  /** The first time, and again after `kill`: same folders. */
  startControlPlane(): void {
    const args = ['--dir', this.dir, '--state', this.state, ...this.#controlPlaneArgs]
    this.#start('control-plane', [LATEEN, 'control-plane', ...args], process.env)
  }

  has(instance: string): boolean {
    return this.#plan.workloads[`default/${instance}`] !== undefined
  }

  write(name: string, text: string): void {
    writeFileSync(path.join(this.dir, name), text.replaceAll('$ECHO', `[node, ${ECHO}]`))
  }

  get xds(): HostPort {
    return this.#xds
  }

  get rootPem(): string {
    return readFileSync(path.join(this.state, 'root.pem'), 'utf8')
  }

  async untilControlPlaneAnswers(): Promise<void> {
    const part = this.#part('control-plane')
    try {
      await waitFor(
        async () => {
          try {
            this.#xds = (await askVersion(this.client)).xds
            this.#plan = (await askDesiredMesh(this.client)).addresses
            return true
          } catch {
            return false
          }
        },
        { what: 'the control plane', while: () => part.child.exitCode === null },
      )
    } catch (error) {
      throw new Error(`the control plane did not answer:\n${part.lines.join('\n')}`, { cause: error })
    }
  }

  addresses(instance: string): WorkloadAddresses {
    return addressesIn(this.#plan, instance)
  }

  outbound(instance: string, service = 'echo', port = ECHO_PORT): HostPort {
    return outboundIn(this.#plan, instance, service, port)
  }

  inbound(instance: string): HostPort {
    return inboundIn(this.#plan, instance)
  }

  /** The bootstrap that `lateen run` would give to the sidecar of `instance`. */
  bootstrap(instance: string, serviceAccount: string, labels: Readonly<Record<string, string>>): Record<string, unknown> {
    return sidecarBootstrap({
      namespace: 'default',
      name: instance,
      workload: instance,
      serviceAccount,
      labels,
      addresses: this.addresses(instance),
      xds: this.#xds,
      controlPlaneSan: CONTROL_PLANE_SAN,
      version: '0.1.0',
    })
  }

  /** Starts our sidecar of `instance`; resolves when it is ready. */
  async startSidecar(instance: string, serviceAccount: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const own = describeStateFolder(this.state).proxyFolder(`default/${instance}`)
    const bootstrap = path.join(own, 'bootstrap.json')
    const token = path.join(own, 'join-token')
    writePrivateFile(token, await mintJoinToken(this.client, 'default', serviceAccount))
    writePrivateFile(bootstrap, JSON.stringify(this.bootstrap(instance, serviceAccount, labels)))
    const ca = ['--ca-address', `${this.#xds.host}:${this.#xds.port}`, '--ca-root', path.join(this.state, 'root.pem')]
    const part = this.#start(
      `${instance} sidecar`,
      [LATEEN, 'proxy', '-c', bootstrap, ...ca, '--join-token-file', token, '--state', own],
      process.env,
    )
    const { host, port } = this.addresses(instance).admin
    try {
      await waitFor(() => answers(`http://${host}:${port}/ready`), {
        what: `the sidecar of ${instance}`,
        while: () => part.child.exitCode === null,
      })
    } catch (error) {
      throw new Error(`the sidecar of ${instance} did not become ready:\n${part.lines.slice(-30).join('\n')}`, { cause: error })
    }
  }

  /** Starts the application of `instance`; resolves when it answers. */
  async startEcho(instance: string, version: string): Promise<void> {
    const addresses = this.addresses(instance)
    const env = applicationEnvironment({
      addresses,
      namespace: 'default',
      name: instance,
      declared: [{ name: 'SERVICE_VERSION', value: version }],
      inherited: process.env,
      nodeFolder: path.dirname(process.execPath),
    })
    this.#start(instance, [ECHO], env)
    await waitFor(() => answers(`http://${env.HOST}:${env.PORT}/health`), { what: instance })
  }

  /** What `lateen run` reports: these instances get requests. */
  setReady(instances: readonly string[]): Promise<void> {
    return reportReady(
      this.client,
      instances.map((name) => `default/${name}`),
    )
  }

  async proxies(): Promise<readonly ClientStatus[]> {
    const value = await this.client.get('/v1/proxies')
    if (!isRecord(value) || !Array.isArray(value.proxies)) throw new Error(`/v1/proxies answered ${JSON.stringify(value)}`)
    return value.proxies
  }

  /** A certificate as every workload gets its own: join token, request, the mesh's CA. */
  async certificateFor(serviceAccount: string): Promise<TestCertificate> {
    const id = workloadSpiffeId({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount })
    if (!id.ok) throw new Error(id.problems[0]?.message)
    const token = new Redacted(await mintJoinToken(this.client, 'default', serviceAccount))
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const ca = grpcCaClient({ ...this.#xds, serverName: CONTROL_PLANE_SAN, lifetimeMs: HOUR_MS, codec: fullCodec, clock: systemClock })
    const chain = await ca.sign(buildCsr(id.value, privateKey), { kind: 'token', token }, this.rootPem)
    if (!chain.ok) throw new Error(`no certificate for ${id.value}: ${chain.problems[0]?.message}`)
    return { chainPem: chain.value[0] ?? '', keyPem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) }
  }

  /** Signed with the mesh's own root key, and yet not to be accepted: another name, another time. The CA would not issue it. */
  forge(name: SubjectAltName, validity: { readonly notBeforeMs?: number; readonly notAfterMs?: number } = {}): TestCertificate {
    const privateKey = createPrivateKey(readFileSync(path.join(this.state, 'ca', 'ca-key.pem')))
    const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const organization = /^O=(.*)$/m.exec(new X509Certificate(this.rootPem).subject)?.[1] ?? ''
    const signer = {
      privateKey,
      algorithm: ECDSA_SHA256,
      nameDer: sequence(set(sequence(OID.organization, utf8String(organization)))),
      keyId: keyIdOf(createPublicKey(privateKey).export({ type: 'spki', format: 'der' })),
    }
    const der = issueLeaf(signer, {
      publicKeyDer: leaf.publicKey.export({ type: 'spki', format: 'der' }),
      names: [name],
      serial: randomBytes(16),
      notBeforeMs: validity.notBeforeMs ?? Date.now() - 60_000,
      notAfterMs: validity.notAfterMs ?? Date.now() + HOUR_MS,
    })
    return { chainPem: encodePem('CERTIFICATE', der), keyPem: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
  }

  lines(part: string): readonly string[] {
    return this.#part(part).lines
  }

  accessLog(instance: string): readonly AccessLogLine[] {
    return this.lines(`${instance} sidecar`).flatMap((line) => parseAccessLog(line) ?? [])
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#parts.keys()].map((name) => this.end(name)))
  }

  /** SIGKILL: it has no chance to say goodbye. */
  async kill(name: string): Promise<void> {
    const { child } = this.#part(name)
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    this.#parts.delete(name)
  }

  async end(name: string): Promise<void> {
    await endProcess(this.#part(name).child)
    this.#parts.delete(name)
  }

  #part(name: string): Part {
    const part = this.#parts.get(name)
    if (part === undefined) throw new Error(`${name} was not started; there are ${[...this.#parts.keys()]}`)
    return part
  }

  #start(name: string, args: readonly string[], env: NodeJS.ProcessEnv): Part {
    if (!existsSync(LATEEN)) throw new Error(`${LATEEN} is not there: run npm run build first`)
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    const lines: string[] = []
    for (const stream of [child.stdout, child.stderr]) {
      let rest = ''
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        const whole = (rest + chunk).split('\n')
        rest = whole.pop() ?? ''
        lines.push(...whole)
      })
    }
    const part = { child, lines }
    this.#parts.set(name, part)
    return part
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).status === 200
  } catch {
    return false
  }
}
