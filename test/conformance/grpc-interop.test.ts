// gRPC's own interoperability cases (grpc/doc/interop-test-descriptions.md), with grpc-go's client and server, through one and two
// sidecars. Left out: credentials, ORCA, and
// pick_first_unary, which needs a server that tells its id (grpc-go's does not).
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import type { ProxyConfig } from '../../src/proxy/config/proxy-config.ts'
import {
  chain,
  cluster,
  downstreamTls,
  forwardTo,
  listener,
  manager,
  proxyConfig,
  route,
  tlsChain,
  upstreamTls,
  virtualHost,
} from '../dataplane/configs.ts'
import { startProxy } from '../dataplane/peers.ts'
import { TestCa } from '../harness/certificates.ts'
import { endProcess } from '../harness/envoy.ts'
import { requireGoTool } from '../harness/go-tools.ts'
import { freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'

const CASES = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
  'rpc_soak',
  'channel_soak',
]

const CLIENT = 'spiffe://cluster.local/ns/default/sa/client'
const SERVER = 'spiffe://cluster.local/ns/default/sa/server'

test('grpc-go client and server through one sidecar', async (t) => {
  const server = await startServer(t)
  if (server === undefined) return
  const sidecar = await startProxy(t, inbound(server))
  await runCases(t, sidecar.port)
})

test('grpc-go client and server through two sidecars, mutual TLS between them', async (t) => {
  const server = await startServer(t)
  if (server === undefined) return
  const ca = new TestCa()
  const inner = await startProxy(t, inbound(server, ca))
  const outer = await startProxy(t, outbound(inner.port, ca))
  await runCases(t, outer.port)
})

function inbound(server: number, ca?: TestCa): ProxyConfig {
  const terminal = manager(virtualHost([route('/', forwardTo('application'))]))
  const chains = ca === undefined ? [chain(terminal)] : [tlsChain(terminal, downstreamTls(ca, SERVER, { alpn: ['h2', 'http/1.1'] }))]
  return proxyConfig(
    [listener(chains, ca === undefined ? {} : { inspection: { tls: true, http: false, timeoutMs: undefined, continuesOnTimeout: false } })],
    [cluster('application', [server], { upstreamProtocol: 'http2' })],
  )
}

function outbound(peer: number, ca: TestCa): ProxyConfig {
  const terminal = manager(virtualHost([route('/', forwardTo('peer'))]))
  const tls = upstreamTls(ca, CLIENT, [SERVER], { alpn: ['h2'] })
  return proxyConfig(
    [listener([chain(terminal)], { direction: 'outbound' })],
    [cluster('peer', [peer], { upstreamProtocol: 'http2', tls })],
  )
}

/** Its port; undefined: the test is skipped. */
async function startServer(t: TestContext): Promise<number | undefined> {
  const program = requireGoTool(t, 'grpc-interop-server')
  if (program === undefined) return undefined
  const [port = 0] = await freePorts(1)
  const child = spawn(program, [`-port=${port}`], { stdio: 'ignore' })
  t.after(() => endProcess(child))
  await waitFor(() => canConnect(port), { what: 'the interop server', while: () => child.exitCode === null })
  return port
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

async function runCases(t: TestContext, port: number): Promise<void> {
  const program = requireGoTool(t, 'grpc-interop-client')
  if (program === undefined) return
  for (const name of CASES) {
    await t.test(name, async () => {
      const args = ['-server_host=127.0.0.1', `-server_port=${port}`, `-test_case=${name}`, '-soak_iterations=20']
      const env = { ...process.env, GRPC_GO_LOG_SEVERITY_LEVEL: 'info' }
      // It ends with an error when a case does not hold, which rejects here.
      const { stderr } = await promisify(execFile)(program, args, { timeout: 60_000, env })
      assert.match(stderr, name.endsWith('_soak') ? /20 \/ 20 iterations|0 failures/ : /\bdone\b/i)
    })
  }
}
