// `lateen iptables --await-proxy` as a process: it ends when the port says that the proxy is ready, and not before.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import path from 'node:path'
import { test } from 'node:test'

const PROGRAM = path.resolve(import.meta.dirname, '../../src/bin/lateen.ts')

test('what comes after waits until the proxy is ready', async (t) => {
  const asked: ServerResponse[] = []
  const server = createServer((_, response) => {
    asked.push(response)
    server.emit('asked')
  })
  server.listen(0)
  t.after(() => server.close().closeAllConnections())
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const first = once(server, 'asked')
  const env = { ...process.env, AWAIT_PROXY: String(address.port) }
  const program = spawn(process.execPath, [PROGRAM, 'iptables', '-i', '*', '-b', '*', '--skip-rule-apply'], { env })
  t.after(() => program.kill())
  let said = ''
  program.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = once(program, 'close')
  await first
  const second = once(server, 'asked')
  asked[0]?.writeHead(503).end('no certificate yet')
  await second
  assert.equal(program.exitCode, null)
  asked[1]?.writeHead(200).end('LIVE')
  const [code] = await ended
  assert.equal(code, 0)
  assert.match(said, /the proxy is ready, \d+ ms after the rules/)
})
