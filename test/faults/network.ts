// A network namespace at the other end of a virtual cable: a machine of its own as far as packets are concerned. Needs root on Linux.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import type { TestContext } from 'node:test'
import { endChild } from './sidecar.ts'

let count = 0

export interface LinkedNamespace {
  readonly name: string
  /** Of the other end, and of ours. */
  readonly address: string
  readonly ourAddress: string
  /** A program in the namespace opens connections to us, says nothing, and holds them. */
  holdConnections(t: TestContext, port: number, connections: number): ChildProcess
}

export function whatIsMissing(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root on Linux may make a network namespace'
  for (const [program, arg] of [
    ['ip', '-V'],
    ['iptables', '--version'],
    ['unshare', '--version'],
    ['prlimit', '--version'],
  ] as const)
    if (spawnSync(program, [arg]).error !== undefined) return `${program} is not installed`
  return false
}

const HOLD = `const [host, port, count] = process.argv.slice(1)
for (let i = 0; i < Number(count); i++) require('node:net').connect({ host, port: Number(port) }).on('error', () => {})`

export function linkedNamespace(t: TestContext): LinkedNamespace {
  const id = `${process.pid}-${count++}`
  const name = `lateen-fault-${id}`
  // Interface names are short: fifteen characters.
  const [ours, theirs] = [`lf${id}a`.slice(-15), `lf${id}b`.slice(-15)]
  const net = `10.213.${(process.pid + count) % 250}`
  const [ourAddress, address] = [`${net}.1`, `${net}.2`]
  const ip = (...args: string[]): Buffer => execFileSync('ip', args)
  ip('netns', 'add', name)
  // The cable goes with its end.
  t.after(() => ip('netns', 'delete', name))
  ip('link', 'add', ours, 'type', 'veth', 'peer', 'name', theirs, 'netns', name)
  ip('address', 'add', `${ourAddress}/24`, 'dev', ours)
  ip('link', 'set', ours, 'up')
  ip('-n', name, 'address', 'add', `${address}/24`, 'dev', theirs)
  ip('-n', name, 'link', 'set', theirs, 'up')
  ip('-n', name, 'link', 'set', 'lo', 'up')
  return {
    name,
    address,
    ourAddress,
    holdConnections(test, port, connections) {
      const args = ['netns', 'exec', name, process.execPath, '-e', HOLD, ourAddress, String(port), String(connections)]
      const child = spawn('ip', args, { stdio: 'ignore' })
      test.after(() => endChild(child))
      return child
    },
  }
}
