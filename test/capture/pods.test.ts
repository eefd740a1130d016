// Two pods as Kubernetes would run them, without Kubernetes: each a network namespace with the rules of `lateen iptables`, `lateen proxy` as
// user 1337 started by environment variables alone, and an application as another user; a third namespace with the control plane and a
// client that has no proxy. Both address families. The proxies' configuration is compiled from the same objects that a cluster has.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import type { AgentSettings } from '../../src/envoy/agent-settings.ts'
import { proxyBootstrap } from '../../src/envoy/sidecar-bootstrap.ts'
import { waitFor } from '../harness/wait.ts'
import { makeNamespace, type Namespace, whatIsMissing } from './namespaces.ts'

const skip = whatIsMissing()
const LATEEN = path.resolve(import.meta.dirname, '../../src/bin/lateen.ts')
const CONTROL_PLANE = 'lateen-control-plane.lateen-system.svc'
const APPLICATION_USER = 2000
const PROXY_USER = 1337

const HUB = { 4: '10.79.0.1', 6: 'fd79::1' }
const PODS = {
  web: { 4: '10.79.0.2', 6: 'fd79::2' },
  echo: { 4: '10.79.0.3', 6: 'fd79::3' },
} as const
/** Of the Service `echo`. */
const VIP = { 4: '10.96.0.10', 6: 'fd96::10' } as const
const PASSTHROUGH = { 4: '127.0.0.6', 6: '::6' } as const

const AGENT: AgentSettings = {
  ...{ statusPort: 15020, healthPort: 15021, prometheusPort: 15090 },
  probes: { '/app-health/app/livez': { httpGet: { port: 8080, path: '/live' } } },
}

function meshYaml(mode: 'STRICT' | 'PERMISSIVE'): string {
  const pods = Object.entries(PODS).map(
    ([name, at]) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: ${name}, containers: [{name: app, ports: [{containerPort: 8080}, {containerPort: 5432}]}]}
status: {phase: Running, podIP: ${at[4]}, podIPs: [{ip: ${at[4]}}, {ip: '${at[6]}'}]}`,
  )
  const echo = `
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  selector: {app: echo}
  clusterIPs: ['${VIP[4]}', '${VIP[6]}']
  ipFamilies: [IPv4, IPv6]
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp-database, port: 5432}]`
  const policy = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: ${mode}}}`
  return [...pods, echo, policy].join('\n---')
}

test('two pods, their proxies and a control plane', { skip }, async (t) => {
  const folder = mkdtempSync('/tmp/lateen-pods-')
  t.after(() => rmSync(folder, { recursive: true }))
  execFileSync('chmod', ['755', folder])
  const [hub, web, echo] = [makeNamespace(t), makeNamespace(t), makeNamespace(t)]
  connectPods(hub, { web, echo })
  const mesh = path.join(folder, 'mesh.yaml')
  const root = path.join(folder, 'root.pem')
  writeFileSync(mesh, meshYaml('STRICT'))
  const proxies = { web: await startPod(t, web, 'web', folder), echo: await startPod(t, echo, 'echo', folder) }

  await t.test('without a control plane a proxy waits and says for what', async () => {
    const reason = await waitFor(
      () => {
        const [answer = ''] = ask(hub, APPLICATION_USER, [`http://${PODS.web[4]}:15021/healthz/ready`])
        return /^503 no certificate yet: .+/.test(answer) ? answer : undefined
      },
      { what: 'a reason' },
    )
    assert.match(reason, /roots to verify the CA by are not there/)
  })

  const control = await startProgram(t, hub, ['control.fixture.ts', mesh, HUB[4], '15012', root])
  for (const name of ['web', 'echo'] as const) {
    let said = ''
    const isReady = (): boolean => {
      said = ask(hub, APPLICATION_USER, [`http://${PODS[name][4]}:15021/healthz/ready`])[0] ?? ''
      return said === '200 LIVE\n'
    }
    await waitFor(isReady, { what: `${name} ready` }).catch(() => assert.fail(`${said}\n${proxies[name].lines.join('\n')}`))
  }

  for (const family of [4, 6] as const) {
    const at = (host: string, rest: string): string => `http://${host.includes(':') ? `[${host}]` : host}${rest}`
    await t.test(`IPv${family}: a call to a Service goes through both proxies, and the application learns who called`, () => {
      const [answer] = ask(web, APPLICATION_USER, [at(VIP[family], '/orders')])
      const { from, peer, path: seen } = answerOf(answer)
      assert.deepEqual({ peer, seen }, { peer: 'spiffe://cluster.local/ns/default/sa/web', seen: '/orders' })
      assert.match(from, /^(127\.0\.0\.6|::6)$/)
    })
    await t.test(`IPv${family}: a pod reaches itself by its own Service`, () => {
      const [answer] = ask(echo, APPLICATION_USER, [at(VIP[family], '/self')])
      assert.equal(answerOf(answer).peer, 'spiffe://cluster.local/ns/default/sa/echo')
    })
    await t.test(`IPv${family}: a server that speaks first is heard at once`, () => {
      assert.deepEqual(ask(web, APPLICATION_USER, [at(VIP[family], ':5432').replace('http', 'tcp')]), ['welcome you said hello'])
    })
    await t.test(`IPv${family}: under STRICT plaintext from outside is refused, and a probe through the agent is answered`, () => {
      const [plain, tcp, probe] = ask(hub, APPLICATION_USER, [
        at(PODS.echo[family], ':8080/'),
        at(PODS.echo[family], ':5432').replace('http', 'tcp'),
        at(PODS.echo[family], ':15020/app-health/app/livez'),
      ])
      assert.match(plain ?? '', /^400 .*only mutual TLS/)
      assert.equal(tcp, 'failed: timeout', 'it waits for a handshake, as everybody who terminates TLS')
      assert.deepEqual(answerOf(probe), { from: PASSTHROUGH[4], peer: '', path: '/live' })
    })
    await t.test(`IPv${family}: metrics and health are answered in plaintext under STRICT`, () => {
      const answers = ask(hub, APPLICATION_USER, [
        at(PODS.echo[family], ':15020/stats/prometheus'),
        at(PODS.echo[family], ':15090/stats/prometheus'),
        at(PODS.echo[family], ':15021/healthz/ready'),
      ])
      for (const answer of answers) assert.match(answer, /^200 /)
      assert.match(answers[0] ?? '', /istio_requests_total\{/)
    })
  }

  await t.test('what is no part of the mesh is reached as before', async () => {
    await startProgram(t, hub, ['application.fixture.ts'])
    const outside = [`http://${HUB[4]}:8080/outside`, `http://[${HUB[6]}]:8080/outside`, `tcp://${HUB[4]}:5432`]
    const [four, six, tcp] = ask(web, APPLICATION_USER, outside)
    assert.equal(answerOf(four).from, PODS.web[4])
    assert.equal(answerOf(six).from, PODS.web[6])
    assert.equal(tcp, 'welcome you said hello')
  })

  writeFileSync(mesh, meshYaml('PERMISSIVE'))
  control.child.stdin?.write('again\n')
  for (const family of [4, 6] as const) {
    await t.test(`IPv${family}: under PERMISSIVE plaintext from outside is accepted, and mutual TLS goes on`, async () => {
      const host = family === 6 ? `[${PODS.echo[6]}]` : PODS.echo[4]
      const answer = await waitFor(
        () => {
          const [heard = ''] = ask(hub, APPLICATION_USER, [`http://${host}:8080/plain`])
          return heard.startsWith('200 ') ? heard : undefined
        },
        { what: 'plaintext accepted' },
      )
      assert.deepEqual(answerOf(answer), { from: PASSTHROUGH[family], peer: '', path: '/plain' })
      const [meshed] = ask(web, APPLICATION_USER, [`http://${family === 6 ? `[${VIP[6]}]` : VIP[4]}/`])
      assert.equal(answerOf(meshed).peer, 'spiffe://cluster.local/ns/default/sa/web')
    })
  }

  await t.test(
    'a proxy that is asked to stop is not ready at once, still carries calls of its application, and ends by itself',
    async () => {
      const { child, lines } = proxies.web
      const ended = once(child, 'exit')
      // The proxy itself, not the program that entered the namespace.
      process.kill(child.pid ?? 0, 'SIGTERM')
      await waitFor(() => lines.some((line) => line.includes('draining')), { what: 'draining' })
      const [health, call] = ask(web, APPLICATION_USER, [`http://127.0.0.1:15021/healthz/ready`, `http://${VIP[4]}/late`])
      assert.equal(health, '503 DRAINING\n')
      assert.equal(answerOf(call).peer, 'spiffe://cluster.local/ns/default/sa/web')
      const [code] = await ended
      assert.equal(code, 0)
    },
  )
})

interface Answer {
  readonly from: string
  readonly peer: string
  readonly path: string
}

function answerOf(answer: string | undefined): Answer {
  assert.match(answer ?? '', /^200 \{/)
  return JSON.parse((answer ?? '').slice(4)) as Answer
}

/** A bridge in the hub, with a veth pair for each pod; no neighbour discovery to wait for. */
function connectPods(hub: Namespace, pods: Readonly<Record<keyof typeof PODS, Namespace>>): void {
  hub.output('ip', 'link', 'add', 'br0', 'type', 'bridge')
  for (const address of [`${HUB[4]}/24`, `${HUB[6]}/64`])
    hub.output('ip', 'address', 'add', address, 'dev', 'br0', ...(address.includes(':') ? ['nodad'] : []))
  hub.output('ip', 'link', 'set', 'br0', 'up')
  for (const name of ['web', 'echo'] as const) {
    const pod = pods[name]
    execFileSync('ip', ['link', 'add', name, 'netns', hub.name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod.name])
    hub.output('ip', 'link', 'set', name, 'master', 'br0', 'up')
    for (const address of [`${PODS[name][4]}/24`, `${PODS[name][6]}/64`])
      pod.output('ip', 'address', 'add', address, 'dev', 'eth0', ...(address.includes(':') ? ['nodad'] : []))
    pod.output('ip', 'link', 'set', 'eth0', 'up')
    pod.output('ip', 'route', 'add', 'default', 'via', HUB[4])
    pod.output('ip', '-6', 'route', 'add', 'default', 'via', HUB[6])
  }
}

interface Program {
  readonly child: ChildProcess
  readonly lines: string[]
}

async function startPod(t: TestContext, pod: Namespace, name: keyof typeof PODS, folder: string): Promise<Program> {
  const set = pod.lateen('-i', '*', '-b', '*', '-d', '15020,15021,15090', '-u', String(PROXY_USER))
  assert.equal(set.status, 0, set.stdout + set.stderr)
  await startProgram(t, pod, ['application.fixture.ts'], APPLICATION_USER)
  const state = path.join(folder, `${name}-state`)
  mkdirSync(state)
  chownSync(state, PROXY_USER, PROXY_USER)
  const token = path.join(folder, `${name}-token`)
  writeFileSync(token, `default/${name}\n`)
  const bootstrap = proxyBootstrap({
    node: { type: 'sidecar', address: PODS[name][4], workload: name, namespace: 'default', domain: 'default.svc.cluster.local' },
    cluster: `${name}.default`,
    metadata: { NAMESPACE: 'default', NAME: name, SERVICE_ACCOUNT: name, LATEEN_VERSION: '0.1.0', INTERCEPTION_MODE: 'REDIRECT' },
    admin: { host: '127.0.0.1', port: 15000 },
    xds: { host: HUB[4], port: 15012 },
    controlPlaneSan: CONTROL_PLANE,
  })
  const env = {
    LATEEN_BOOTSTRAP: JSON.stringify(bootstrap),
    LATEEN_AGENT: JSON.stringify(AGENT),
    LATEEN_CA_ADDRESS: `${HUB[4]}:15012`,
    LATEEN_CA_ROOT: path.join(folder, 'root.pem'),
    LATEEN_CA_NAME: CONTROL_PLANE,
    LATEEN_CA_TOKEN_FILE: token,
    LATEEN_STATE: state,
    LATEEN_DRAIN_TIME: '3s',
  }
  const proxy = run(t, pod, [LATEEN, 'proxy'], PROXY_USER, env)
  await waitFor(() => proxy.lines.some((line) => line.includes('lateen proxy starts')), {
    what: 'the proxy',
    while: () => proxy.child.exitCode === null,
  })
  return proxy
}

/** A fixture that says 'ready'. */
async function startProgram(t: TestContext, namespace: Namespace, [file = '', ...args]: readonly string[], uid = 0): Promise<Program> {
  const program = run(t, namespace, [path.join(import.meta.dirname, file), ...args], uid, {})
  await waitFor(() => program.lines.includes('ready'), { what: file, while: () => program.child.exitCode === null })
  return program
}

function run(t: TestContext, { name }: Namespace, program: readonly string[], uid: number, env: Record<string, string>): Program {
  const as = uid === 0 ? [] : ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups']
  // Each of them replaces itself by the next, so that a signal reaches the program. No home: nothing may be written there.
  const child = spawn('ip', ['netns', 'exec', name, ...as, process.execPath, ...program], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: '/nonexistent', ...env },
  })
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', (line) => lines.push(line))
  t.after(async () => {
    child.stdin.end()
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return { child, lines }
}

function ask({ output }: Namespace, uid: number, urls: readonly string[]): readonly string[] {
  const as = ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups']
  return JSON.parse(output(...as, process.execPath, path.join(import.meta.dirname, 'ask.fixture.ts'), ...urls)) as readonly string[]
}
