// A client that asks for much and takes nothing must not fill the proxy's memory. The process is looked at from outside, as an operator does.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import { test } from 'node:test'
import { startLateenProcess } from '../differential/lateen.ts'
import { freePorts } from '../harness/ports.ts'
import { proxyBootstrap } from '../smuggling/bootstrap.ts'

const STREAMS = 100
const MIB = 1024 * 1024
const BODY = Buffer.alloc(10 * MIB)
/** What came in one read of each upstream connection, the windows' share, and the heap's slack. A gigabyte is asked for. */
const MAY_GROW_MIB = 64

const skip = process.platform === 'linux' ? false : 'reads /proc'

test('100 streams without a window, 10 MB asked for on each: the process grows by a few MB', { skip }, async (t) => {
  const upstream = http.createServer((request, response) => {
    response.setHeader('content-length', BODY.length)
    response.end(request.method === 'HEAD' ? undefined : BODY)
  })
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  t.after(() => upstream.closeAllConnections())
  t.after(() => upstream.close())
  const address = upstream.address()
  const [admin = 0, port = 0] = await freePorts(2)
  const upstreamPort = typeof address === 'object' && address !== null ? address.port : 0
  const proxy = await startLateenProcess(proxyBootstrap(admin, [port], [upstreamPort]), admin)
  t.after(proxy.stop)
  const client = http2.connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 0 } })
  t.after(() => client.destroy())
  client.on('error', () => undefined)
  await ask(client, 'HEAD')

  const before = residentMiB(proxy.pid)
  const streams = await Promise.all(Array.from({ length: STREAMS }, () => ask(client, 'GET')))
  // Each of these is answered behind what the upstreams have said meanwhile.
  for (let count = 0; count < STREAMS; count++) await ask(client, 'HEAD')
  const grown = residentMiB(proxy.pid) - before

  t.diagnostic(`grew by ${grown} MiB from ${before} MiB`)
  assert.ok(grown < MAY_GROW_MIB, `the process grew by ${grown} MiB`)
  assert.equal(streams.length, STREAMS)
})

async function ask(client: http2.ClientHttp2Session, method: string): Promise<http2.ClientHttp2Stream> {
  const stream = client.request({ ':path': '/', ':method': method })
  stream.on('error', () => undefined)
  await once(stream, 'response')
  return stream
}

function residentMiB(pid: number): number {
  return Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024)
}
