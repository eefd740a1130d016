// WebSocket between two applications, each behind its sidecar, ours and stock Envoys mixed, whatever the application declares: over HTTP/2
// between the sidecars it is an extended CONNECT (RFC 8441), which the server's side must have announced.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { test } from 'node:test'
import { openHttp1, openHttp2, startEchoServer } from '../dataplane/websocket-peers.ts'
import { PAIRS, startPairLab } from './support/pair-lab.ts'

for (const kinds of PAIRS) {
  const between = `${kinds.client} and ${kinds.server}`
  // Two stock Envoys (1.40) one after the other do not open one to an application on HTTP/2, with `allow_connect` upstream too.
  const applications =
    kinds.client === 'a stock Envoy' && kinds.server === 'a stock Envoy' ? (['http1'] as const) : (['http1', 'http2'] as const)
  for (const application of applications) {
    test(`a WebSocket to an application on ${application} passes ${between}`, async (t) => {
      const server = await startEchoServer(t, application)
      const port = application === 'http2' ? 'name: http2' : 'name: http'
      const lab = await startPairLab(t, kinds, { port, mode: 'STRICT', application: server.port })
      if (lab === undefined) return
      const socket = await openHttp1(t, lab.service)
      assert.equal(await socket.ask('one'), 'echo one')
      assert.equal(await socket.ask('two'), 'echo two')
      assert.equal(server.handshakes.length, 1)
    })
  }

  test(`a WebSocket of a client that speaks HTTP/2 to its sidecar passes ${between}`, async (t) => {
    const server = await startEchoServer(t, 'http1')
    const lab = await startPairLab(t, kinds, { port: 'name: http', mode: 'STRICT', application: server.port })
    if (lab === undefined) return
    const session = http2.connect(`http://127.0.0.1:${lab.service}`)
    t.after(() => session.destroy())
    await once(session, 'connect')
    const socket = await openHttp2(t, session, { ':authority': 'server:9080' })
    assert.equal(socket.status, 200)
    assert.equal(await socket.ask('hello'), 'echo hello')
  })
}
