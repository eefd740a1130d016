// Connections that are not read as HTTP, through our own proxy and through a stock Envoy: where the tcp and tls sections send them.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { PROXIES, startRouteLab } from './support/route-lab.ts'

/** A server that says its name and hangs up, and counts who called. */
async function startNamed(t: TestContext, name: string): Promise<{ readonly port: number; readonly calls: () => number }> {
  let calls = 0
  const server = net.createServer((socket) => {
    calls++
    socket.on('error', () => undefined)
    socket.end(name)
  })
  t.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return { port: address.port, calls: () => calls }
}

async function whoAnswers(port: number): Promise<string> {
  const socket = net.connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString()
  })
  await once(socket, 'close')
  return text
}

/** Sends a hello with this server name, and waits until the connection is over. */
async function hello(port: number, servername: string): Promise<void> {
  const socket = tls.connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false })
  socket.on('error', () => undefined)
  await new Promise((resolve) => socket.on('close', resolve))
}

const TO = (port: number): string => `route: [{destination: {host: server, port: {number: ${port}}}}]`

function virtualService(sections: string): string {
  return `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: server, namespace: default}\nspec:\n  hosts: [server, "*.example.com"]\n${sections}`
}

for (const kind of PROXIES) {
  test(`${kind}: a tcp route is for its port and its clients; the first that fits takes the connection`, async (t) => {
    const [tcp, other] = [await startNamed(t, 'tcp'), await startNamed(t, 'other')]
    const sections = `  tcp:
    - {match: [{port: 9999}, {sourceLabels: {tier: back}}, {destinationSubnets: [10.0.0.0/8]}], ${TO(9081)}}
    - {match: [{port: 9081, sourceLabels: {tier: front}, sourceNamespace: default}], ${TO(9082)}}
    - {${TO(9081)}}
`
    const lab = await startRouteLab(t, kind, virtualService(sections), { tcpPort: tcp.port, tlsPort: other.port })
    if (lab === undefined) return

    assert.equal(await whoAnswers(lab.tcpPort), 'other')
  })

  test(`${kind}: tcp destinations share connections by weight`, async (t) => {
    const [tcp, other] = [await startNamed(t, 'tcp'), await startNamed(t, 'other')]
    const both = `route: [{destination: {host: server, port: {number: 9081}}, weight: 1}, {destination: {host: server, port: {number: 9082}}, weight: 1}]`
    const lab = await startRouteLab(t, kind, virtualService(`  tcp:\n    - {${both}}\n`), { tcpPort: tcp.port, tlsPort: other.port })
    if (lab === undefined) return

    const answers = new Set<string>()
    for (let round = 0; round < 20; round++) answers.add(await whoAnswers(lab.tcpPort))
    assert.deepEqual([...answers].sort(), ['other', 'tcp'])
  })

  test(`${kind}: a tls route reads the server name and nothing else; an unknown name is turned away`, async (t) => {
    const [tcp, other] = [await startNamed(t, 'tcp'), await startNamed(t, 'other')]
    const sections = `  tls:
    - {match: [{sniHosts: [a.example.com]}], ${TO(9081)}}
    - {match: [{sniHosts: ["*.example.com"], port: 9082}], ${TO(9082)}}
`
    const lab = await startRouteLab(t, kind, virtualService(sections), { tcpPort: tcp.port, tlsPort: other.port })
    if (lab === undefined) return

    await hello(lab.tlsPort, 'a.example.com')
    assert.deepEqual([tcp.calls(), other.calls()], [1, 0])
    await hello(lab.tlsPort, 'b.example.com')
    assert.deepEqual([tcp.calls(), other.calls()], [1, 1])
    await hello(lab.tlsPort, 'elsewhere.org')
    assert.deepEqual([tcp.calls(), other.calls()], [1, 1])
  })
}
