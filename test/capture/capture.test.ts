// The whole of capture, with a kernel that redirects: a pod and a peer, each in a network namespace, joined by a veth pair; the rules of
// `lateen iptables`; our data plane as user 1337; an application as another user. Every fact for IPv4 and IPv6.
// How a connection went is told by its server: it saw the port of the client (direct) or another one (through the proxy).
import assert from 'node:assert/strict'
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { makeNamespace, type Namespace, whatIsMissing } from './namespaces.ts'

const skip = whatIsMissing()
const APPLICATION = 2000
const PROXY = 1337

/** The pod's address, the peer's, and another of the peer's in a range that is excluded. */
const FAMILIES = {
  4: { pod: '10.77.0.2', peer: '10.77.0.1', other: '10.88.0.1', passthrough: '127.0.0.6', loopback: '127.0.0.1' },
  6: { pod: 'fd77::2', peer: 'fd77::1', other: 'fd88::1', passthrough: '::6', loopback: '::1' },
} as const

const OPTIONS = ['-i', '*', '-x', '10.88.0.0/16,fd88::/16', '-b', '*', '-d', '9001', '-o', '9002']

test('connections of a pod go through its proxy where the options say so, and nowhere else', { skip }, async (t) => {
  const pod = makeNamespace(t)
  const peer = makeNamespace(t)
  join(pod, peer)
  const set = pod.lateen(...OPTIONS, '--verify')
  assert.equal(set.status, 0, set.stdout + set.stderr)
  for (const line of [
    'IPv4 inbound: redirected to port 15006',
    'IPv4 outbound: redirected to port 15001',
    'IPv6 inbound: redirected',
    'IPv6 outbound: redirected',
  ]) {
    assert.ok(set.stdout.includes(`verify ${line}`), set.stdout)
  }
  await Promise.all([
    start(t, pod, 'pod.fixture.ts'),
    start(t, pod, 'server.fixture.ts', '8080', '9001'),
    start(t, peer, 'server.fixture.ts', '8080', '9002'),
  ])
  for (const [family, at] of Object.entries(FAMILIES)) {
    const direct = { from: at.pod, way: 'direct' }
    const proxied = { from: at.pod, way: 'through the proxy' }
    await t.test(`IPv${family}: what the application sends is caught, except excluded ports and ranges and its own pod`, () => {
      const targets = [`${at.peer} 8080`, `${at.peer} 9002`, `${at.other} 8080`, `${at.pod} 8080`, `${at.loopback} 8080`]
      const self = { from: at.loopback, way: 'direct' }
      assert.deepEqual(visit(pod, APPLICATION, targets), [proxied, direct, direct, direct, self])
    })
    await t.test(`IPv${family}: what the proxy sends is not caught, and to its own pod it is inbound`, () => {
      const throughInbound = { from: at.passthrough, way: 'through the proxy' }
      assert.deepEqual(visit(pod, PROXY, [`${at.peer} 8080`, `${at.loopback} 8080`, `${at.pod} 8080`]), [
        direct,
        { from: at.loopback, way: 'direct' },
        throughInbound,
      ])
    })
    await t.test(`IPv${family}: what comes from outside is caught, except excluded ports`, () => {
      const inbound = { from: at.passthrough, way: 'through the proxy' }
      assert.deepEqual(visit(peer, APPLICATION, [`${at.pod} 8080`, `${at.pod} 9001`]), [inbound, { from: at.peer, way: 'direct' }])
    })
    await t.test(`IPv${family}: DNS goes to the server until DNS capture is on`, () => {
      assert.match(JSON.stringify(visit(pod, APPLICATION, [`udp:${at.peer} 53`])), /failed/)
      const on = pod.lateen(...OPTIONS, '--redirect-dns', '--capture-all-dns')
      assert.equal(on.status, 0, on.stderr)
      assert.deepEqual(visit(pod, APPLICATION, [`udp:${at.peer} 53`]), [{ answer: 'query is answered by the proxy' }])
      assert.match(JSON.stringify(visit(pod, PROXY, [`udp:${at.peer} 53`])), /failed/, "the proxy's own queries go to the server")
      assert.equal(pod.lateen(...OPTIONS).status, 0)
    })
  }
  await t.test('after the clean-up every connection is direct', () => {
    assert.match(pod.output('ip', '-6', 'address', 'show', 'dev', 'lo'), / ::6\/128 /)
    assert.equal(pod.lateen('--cleanup').status, 0)
    assert.doesNotMatch(pod.output('ip', '-6', 'address', 'show', 'dev', 'lo'), / ::6\/128 /)
    for (const at of Object.values(FAMILIES)) {
      assert.deepEqual(visit(pod, APPLICATION, [`${at.peer} 8080`]), [{ from: at.pod, way: 'direct' }])
      assert.deepEqual(visit(peer, APPLICATION, [`${at.pod} 8080`]), [{ from: at.peer, way: 'direct' }])
    }
  })
})

for (const [family, { peer: address }] of Object.entries(FAMILIES)) {
  test(`IPv${family}: a connection that the proxy had before the rules goes on, also when the other side speaks first`, {
    skip,
  }, async (t) => {
    const pod = makeNamespace(t)
    const peer = makeNamespace(t)
    join(pod, peer)
    const server = await start(t, peer, 'early.fixture.ts', 'serve')
    const client = spawnIn(t, pod, 'early.fixture.ts', 'connect', address)
    assert.equal(await said(client), 'early')

    assert.equal(pod.lateen(...OPTIONS).status, 0)
    server.stdin.write('late\n')

    assert.equal(await said(client), 'late')
  })
}

/** A veth pair, both families, and a default route of the pod to the peer. */
function join(pod: Namespace, peer: Namespace): void {
  execFileSync('ip', ['link', 'add', 'eth0', 'netns', pod.name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peer.name])
  for (const [namespace, addresses] of [
    [pod, [`${FAMILIES[4].pod}/24`, `${FAMILIES[6].pod}/64`]],
    [peer, [`${FAMILIES[4].peer}/24`, `${FAMILIES[6].peer}/64`, `${FAMILIES[4].other}/32`, `${FAMILIES[6].other}/128`]],
  ] as const) {
    for (const address of addresses) {
      namespace.output('ip', 'address', 'add', address, 'dev', 'eth0', ...(address.includes(':') ? ['nodad'] : []))
    }
    namespace.output('ip', 'link', 'set', 'eth0', 'up')
  }
  pod.output('ip', 'route', 'add', 'default', 'via', FAMILIES[4].peer)
  pod.output('ip', '-6', 'route', 'add', 'default', 'via', FAMILIES[6].peer)
}

async function start(t: TestContext, namespace: Namespace, file: string, ...args: string[]): Promise<Child> {
  const child = spawnIn(t, namespace, file, ...args)
  assert.equal(await said(child), 'ready', `${file} does not start`)
  return child
}

type Child = ChildProcessByStdio<Writable, Readable, null>

function spawnIn(t: TestContext, namespace: Namespace, file: string, ...args: string[]): Child {
  const command = ['netns', 'exec', namespace.name, process.execPath, path.join(import.meta.dirname, file), ...args]
  const child = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(async () => {
    child.stdin.end()
    if (child.exitCode === null) await once(child, 'exit')
  })
  return child
}

async function said(child: Child): Promise<string> {
  const [text] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  return String(text).trim()
}

function visit(namespace: Namespace, uid: number, targets: readonly string[]): unknown {
  const file = path.join(import.meta.dirname, 'client.fixture.ts')
  return JSON.parse(namespace.output('env', `CLIENT_UID=${uid}`, process.execPath, file, ...targets))
}
