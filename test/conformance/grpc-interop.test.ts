// gRPC's own interoperability cases (grpc/doc/interop-test-descriptions.md), with grpc-go's client and server, through one and two
// sidecars. Left out: credentials, ORCA, and
// pick_first_unary, which needs a server that tells its id (grpc-go's does not).
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { endProcess } from '../harness/envoy.ts'
import { requireGoTool } from '../harness/go-tools.ts'
import { freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'
import { oneSidecar, twoSidecars } from './sidecars.ts'

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

test('grpc-go client and server through one sidecar', async (t) => {
  const server = await startServer(t)
  if (server === undefined) return
  await runCases(t, await oneSidecar(t, server))
})

test('grpc-go client and server through two sidecars, mutual TLS between them', async (t) => {
  const server = await startServer(t)
  if (server === undefined) return
  await runCases(t, await twoSidecars(t, server))
})

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
