// All of h2specd against the proxy's side towards endpoints: a server that breaks the rules, in a way and on a port of its own for each
// case. The proxy has a cluster for each port; a client on HTTP/1.1 asks for it by its authority.
// The program is made once by 'npm run go-tools'.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { chain, cluster, forwardTo, listener, manager, proxyConfig, route, virtualHost } from '../dataplane/configs.ts'
import { startProxy } from '../dataplane/peers.ts'
import { requireGoTool } from '../harness/go-tools.ts'
import { connects } from '../harness/ports.ts'

const CASES = 57
/** Sections without a case have no port: some more than there are cases. */
const PORTS = 60

/** Ports in a row of which none is in use, below those that the kernel gives away. */
async function portRange(): Promise<number> {
  for (let base = 21_000; base < 30_000; base += PORTS) {
    const used = await Promise.all(Array.from({ length: PORTS }, (_, index) => connects(base + index)))
    if (!used.includes(true)) return base
  }
  throw new Error('no range of free ports')
}

test(`h2specd: all ${CASES} cases pass`, async (t) => {
  const program = requireGoTool(t, 'h2specd')
  if (program === undefined) return
  const base = await portRange()
  const ports = Array.from({ length: PORTS }, (_, index) => base + index)
  const routes = ports.map((port) =>
    route('/', forwardTo(`case-${port}`), {
      match: {
        path: { kind: 'prefix', value: '/', ignoreCase: false },
        headers: [
          {
            name: ':authority',
            spec: { kind: 'exact', value: `127.0.0.1:${port}`, ignoreCase: false },
            matches: (value) => value === `127.0.0.1:${port}`,
            inverted: false,
            missingIsEmpty: false,
          },
        ],
        queryParameters: [],
        fractionPerMillion: undefined,
      },
    }),
  )
  const clusters = ports.map((port) => cluster(`case-${port}`, [port], { upstreamProtocol: 'http2' }))
  const proxy = await startProxy(t, proxyConfig([listener([chain(manager(virtualHost(routes)))])], clusters))
  const client = `${process.execPath} ${path.join(import.meta.dirname, 'get-program.ts')} ${proxy.port}`
  const output = await new Promise<string>((resolve) => {
    const args = ['-h', '127.0.0.1', '-f', String(base), '-o', '5', '-e', client]
    execFile(program, args, { timeout: 120_000, maxBuffer: 1 << 24 }, (_error, stdout, stderr) => resolve(stdout + stderr))
  })
  const [, total, passed] = /(\d+) tests, (\d+) passed/.exec(output) ?? []
  assert.deepEqual([Number(total), Number(passed)], [CASES, CASES], output)
})
