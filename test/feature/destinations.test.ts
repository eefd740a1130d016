// How destinations are called, through our own proxy and through a stock Envoy: names of the outside world, TLS of the outside world,
// limits. The same objects, the same answers.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { TLSSocket } from 'node:tls'
import { TestCa } from '../harness/certificates.ts'
import { PROXIES, startRouteLab } from './support/route-lab.ts'

const OUTSIDE = 'outside.example.com'

async function listen(t: TestContext, server: Server & { closeAllConnections(): void }): Promise<number> {
  t.after(() => server.close())
  t.after(() => server.closeAllConnections())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

function object(kind: string, spec: string): string {
  return `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: {name: outside, namespace: default}\nspec: {${spec}}\n---\n`
}

/** Requests for 'server' go to the outside instead. */
function toOutside(resolution: string, address: string, port: number): string {
  return (
    object('VirtualService', `hosts: [server], http: [{route: [{destination: {host: ${OUTSIDE}}}]}]`) +
    object(
      'ServiceEntry',
      `hosts: [${OUTSIDE}], resolution: ${resolution}, endpoints: [{address: ${address}}], ports: [{number: 80, targetPort: ${port}, name: http, protocol: HTTP}]`,
    )
  )
}

for (const kind of PROXIES) {
  for (const [resolution, address] of [
    ['STATIC', '127.0.0.1'],
    ['DNS', 'localhost'],
    ['DNS_ROUND_ROBIN', 'localhost'],
  ] as const) {
    test(`${kind}: a ServiceEntry with resolution ${resolution} is reached`, async (t) => {
      const port = await listen(
        t,
        http.createServer((_request, response) => response.end('from outside')),
      )
      const lab = await startRouteLab(t, kind, toOutside(resolution, address, port))
      if (lab === undefined) return

      assert.equal((await lab.ask('/')).body.toString(), 'from outside')
      assert.equal(lab.received.length, 0)
    })
  }

  test(`${kind}: TLS of a DestinationRule verifies the server and names it`, async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'lateen-tls-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const ca = new TestCa()
    const { chainPem, keyPem } = ca.issue('spiffe://outside/server')
    const authorities = path.join(folder, 'ca.pem')
    writeFileSync(authorities, ca.rootPem)
    const names: unknown[] = []
    const port = await listen(
      t,
      https.createServer({ cert: chainPem, key: keyPem }, (request, response) => {
        names.push(request.socket instanceof TLSSocket && 'servername' in request.socket ? request.socket.servername : undefined)
        response.end('over TLS')
      }),
    )
    const rule = (san: string): string =>
      object(
        'DestinationRule',
        `host: ${OUTSIDE}, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: ${authorities}, subjectAltNames: ['${san}']}}`,
      )
    const right = await startRouteLab(t, kind, toOutside('STATIC', '127.0.0.1', port) + rule('spiffe://outside/server'))
    const wrong = await startRouteLab(t, kind, toOutside('STATIC', '127.0.0.1', port) + rule('spiffe://outside/other'))
    if (right === undefined || wrong === undefined) return

    assert.equal((await right.ask('/')).body.toString(), 'over TLS')
    assert.deepEqual(names, [OUTSIDE])
    assert.equal((await wrong.ask('/')).status, 503)
    assert.equal(names.length, 1)
  })

  test(`${kind}: more active requests than a DestinationRule allows are refused at once`, async (t) => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
    const port = await listen(
      t,
      http.createServer((_request, response) => {
        arrive()
        void released.then(() => response.end('done'))
      }),
    )
    const rule = object('DestinationRule', `host: ${OUTSIDE}, trafficPolicy: {connectionPool: {http: {http2MaxRequests: 1}}}`)
    const lab = await startRouteLab(t, kind, toOutside('STATIC', '127.0.0.1', port) + rule)
    if (lab === undefined) return

    const first = lab.ask('/')
    await arrived
    const second = await lab.ask('/')
    release()

    assert.equal(second.status, 503)
    assert.equal((await first).body.toString(), 'done')
  })

  test(`${kind}: a connection carries no more requests than a DestinationRule allows`, async (t) => {
    const sockets = new Set<unknown>()
    const port = await listen(
      t,
      http.createServer((request, response) => {
        sockets.add(request.socket)
        response.end()
      }),
    )
    const rule = object('DestinationRule', `host: ${OUTSIDE}, trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 1}}}`)
    const lab = await startRouteLab(t, kind, toOutside('STATIC', '127.0.0.1', port) + rule)
    if (lab === undefined) return

    for (let count = 0; count < 3; count++) await lab.ask('/')

    assert.equal(sockets.size, 3)
  })
}
