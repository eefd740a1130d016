// A port whose protocol nobody declares, through two sidecars, ours and stock Envoys in every combination: whatever the client and the
// server say to each other arrives, HTTP is read where it is HTTP, and a server that speaks first is heard.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { ask, connectHttp2, startHttp2Upstream } from '../dataplane/http2-peers.ts'
import { always, connect, GET, OK, requestsOf, startUpstream } from '../dataplane/peers.ts'
import { TestCa } from '../harness/certificates.ts'
import { PAIRS, startPairLab } from './support/pair-lab.ts'

const UNDECLARED = 'name: whatever'

for (const mode of ['STRICT', 'PERMISSIVE', 'DISABLE'] as const) {
  for (const kinds of PAIRS) {
    const between = `${mode}, ${kinds.client} to ${kinds.server}`

    test(`${between}: HTTP/1.1 on an undeclared port is HTTP`, async (t) => {
      const application = await startUpstream(t, always(OK))
      const lab = await startPairLab(t, kinds, { port: UNDECLARED, mode, application: application.port })
      if (lab === undefined) return

      const client = await connect(t, lab.service)
      client.send(GET)

      await client.until('200 OK')
      assert.match(application.connections.flatMap(requestsOf).join(''), /x-request-id/i)
      assert.equal(lab.client?.tcp.length ?? 0, 0)
      if (lab.client !== undefined && lab.server !== undefined) assert.deepEqual([lab.server.http.length, lab.server.tcp.length], [1, 0])
    })

    test(`${between}: HTTP/2 by prior knowledge on an undeclared port stays HTTP/2 to the application`, async (t) => {
      const application = await startHttp2Upstream(t, (stream) => {
        stream.respond({ ':status': 200 }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-last': 'word' }))
        stream.end('over HTTP/2')
      })
      const lab = await startPairLab(t, kinds, { port: UNDECLARED, mode, application: application.port })
      if (lab === undefined) return

      const answer = await ask(await connectHttp2(t, lab.service), {}, 'question')

      assert.deepEqual([answer.status, answer.body.toString(), answer.trailers?.['x-last']], [200, 'over HTTP/2', 'word'])
      assert.equal(lab.client?.http[0]?.protocol ?? 'HTTP/2', 'HTTP/2')
    })

    test(`${between}: TLS of the application passes unopened`, async (t) => {
      const application = await startTlsServer(t)
      const lab = await startPairLab(t, kinds, { port: UNDECLARED, mode, application: application.port })
      if (lab === undefined) return

      const options = { host: '127.0.0.1', port: lab.service, servername: 'app.test', ca: application.rootPem, ALPNProtocols: ['http/1.1'] }
      const socket = tls.connect(options)
      t.after(() => socket.destroy())

      const [heard] = await once(socket, 'data')
      assert.equal(String(heard), 'I am the application')
    })

    test(`${between}: a server that speaks first is heard`, async (t) => {
      const application = await startUpstream(t, (peer) => {
        peer.send('220 ready\r\n')
        void peer.until('EHLO').then(() => peer.send('250 welcome\r\n'))
      })
      const lab = await startPairLab(t, kinds, { port: UNDECLARED, mode, application: application.port })
      if (lab === undefined) return

      const client = await connect(t, lab.service)
      await client.until('220 ready')
      client.send('EHLO\r\n')

      await client.until('250 welcome')
    })
  }
}

for (const kinds of PAIRS.filter(({ client, server }) => client === server)) {
  test(`PERMISSIVE, no sidecar to ${kinds.server}: what the client does not say is waited for a second, and the server is heard`, async (t) => {
    const application = await startUpstream(t, (peer) => peer.send('220 ready\r\n'))
    const lab = await startPairLab(t, kinds, { port: UNDECLARED, mode: 'PERMISSIVE', application: application.port })
    if (lab === undefined) return

    const client = await connect(t, lab.inbound)

    await client.until('220 ready')
  })
}

async function startTlsServer(t: TestContext): Promise<{ readonly port: number; readonly rootPem: string }> {
  const ca = new TestCa()
  const pair = ca.issue({ dns: 'app.test' })
  const server = tls.createServer({ cert: pair.chainPem, key: pair.keyPem, ALPNProtocols: ['http/1.1'] }, (socket) => {
    socket.on('error', () => undefined)
    socket.write('I am the application')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return { port: address.port, rootPem: ca.rootPem }
}
