// All of h2spec (generic, http2, hpack) against the proxy's side towards clients, by prior knowledge and on TLS with ALPN.
// The program is made once by 'npm run go-tools'.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { chain, cluster, downstreamTls, forwardTo, listener, manager, proxyConfig, route, virtualHost } from '../dataplane/configs.ts'
import { type RawPeer, startProxy, startUpstream } from '../dataplane/peers.ts'
import { TestCa } from '../harness/certificates.ts'
import { requireGoTool } from '../harness/go-tools.ts'

const CASES = 145
// No case passes by waiting; on a machine that stands still for seconds a short limit would fail cases for nothing.
const CASE_TIMEOUT_S = 30
const ANSWER = `HTTP/1.1 200 OK\r\nContent-Length: 2048\r\n\r\n${'x'.repeat(2048)}`

/** Answers whole requests only: an answer that overtakes the second half of a wrong one would win the race against the error. */
function answerWhole(peer: RawPeer): void {
  const whole = (text: string): boolean => {
    const headEnd = text.indexOf('\r\n\r\n')
    if (headEnd === -1) return false
    const head = text.slice(0, headEnd)
    if (/\r\ntransfer-encoding: chunked/i.test(head)) return /\r\n0\r\n(?:[^\r]+\r\n)*\r\n$/.test(text)
    return text.length - headEnd - 4 >= Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
  }
  void peer.until(whole).then(
    () => {
      peer.take()
      peer.send(ANSWER)
      answerWhole(peer)
    },
    () => undefined,
  )
}

async function startServer(t: TestContext, overTls: boolean): Promise<number> {
  const upstream = await startUpstream(t, answerWhole)
  // Without ALPN the listener fixes the protocol: what is no preface must end the connection, not be taken for HTTP/1.1.
  const http = manager(virtualHost([route('/', forwardTo('app'))]), overTls ? {} : { codec: 'http2' })
  const tls = downstreamTls(new TestCa(), 'spiffe://cluster.local/ns/default/sa/edge', {
    alpn: ['h2', 'http/1.1'],
    requiresClientCertificate: false,
  })
  const served = chain(http, overTls ? { tls } : {})
  const proxy = await startProxy(t, proxyConfig([listener([served])], [cluster('app', [upstream.port])]))
  return proxy.port
}

for (const overTls of [false, true]) {
  test(`h2spec ${overTls ? 'on TLS' : 'by prior knowledge'}: all ${CASES} cases pass`, async (t) => {
    const program = requireGoTool(t, 'h2spec')
    if (program === undefined) return
    const port = await startServer(t, overTls)
    const options = ['-h', '127.0.0.1', '-p', String(port), '-o', String(CASE_TIMEOUT_S), ...(overTls ? ['-t', '-k'] : [])]
    const output = await new Promise<string>((resolve) => {
      execFile(program, options, { timeout: 300_000, maxBuffer: 1 << 24 }, (error, stdout, stderr) =>
        resolve(`${stdout}${stderr}${error?.signal ?? ''}`),
      )
    })
    const [, total, passed] = /(\d+) tests, (\d+) passed/.exec(output) ?? []
    assert.deepEqual([Number(total), Number(passed)], [CASES, CASES], output.slice(Math.max(0, output.indexOf('Failures:'))))
  })
}
