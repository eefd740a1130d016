// Redirected connections, with the kernel that redirects them: a network namespace of the test's own, real iptables rules.
// Needs root, ip and iptables; elsewhere it is skipped and says so.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { type Redirected, SERVER_PORT, WAYS } from './redirected.fixture.ts'

const missing = whatIsMissing()

test('a redirected connection goes on to where its client was going, by IPv4, IPv4 in IPv6, and IPv6', { skip: missing }, (t) => {
  const namespace = `lateen-test-${process.pid}`
  const run = (...command: string[]): string => execFileSync('ip', ['netns', 'exec', namespace, ...command], { encoding: 'utf8' })
  execFileSync('ip', ['netns', 'add', namespace])
  t.after(() => execFileSync('ip', ['netns', 'delete', namespace]))
  run('ip', 'link', 'set', 'lo', 'up')
  run('ip', 'address', 'add', '10.99.0.1/32', 'dev', 'lo')
  run('ip', 'address', 'add', 'fd99::1/128', 'dev', 'lo', 'nodad')
  for (const { host, uid, port } of WAYS) {
    const iptables = host.includes(':') ? 'ip6tables' : 'iptables'
    const [match, target] = [`-p tcp --dport ${SERVER_PORT} -m owner --uid-owner ${uid}`, `-j REDIRECT --to-ports ${port}`]
    run(iptables, '-w', '-t', 'nat', '-A', 'OUTPUT', ...match.split(' '), ...target.split(' '))
  }
  const output = run(process.execPath, path.join(import.meta.dirname, 'redirected.fixture.ts'))
  const results: readonly Redirected[] = JSON.parse(output)
  for (const [index, { host }] of WAYS.entries()) {
    const reached = `${host} ${SERVER_PORT}`
    assert.deepEqual(results[index], { heard: reached, destination: `${host}:${SERVER_PORT}` })
  }
})

function whatIsMissing(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root on Linux may make a network namespace'
  try {
    execFileSync('iptables', ['--version'])
    execFileSync('ip', ['-V'])
    return false
  } catch {
    return 'ip or iptables is not installed'
  }
}
