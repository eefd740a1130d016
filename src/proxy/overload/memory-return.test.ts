import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { test } from 'node:test'
import { FakeClock } from '../../base/fake-clock.ts'
import { MetricRegistry } from '../telemetry/metrics.ts'
import { forgettable } from './give-back.ts'
import { MemoryReturn } from './memory-return.ts'

const MB = 1024 * 1024

function returning(megabytes: number) {
  const clock = new FakeClock()
  const process = { megabytes, returns: 0 }
  const giveBack = (): Promise<void> => {
    process.returns++
    return Promise.resolve()
  }
  const memory = new MemoryReturn({ residentBytes: () => process.megabytes * MB, giveBack, clock })
  memory.start()
  return { clock, process, memory }
}

test('memory is given back once after the start, and not again while nothing grows', async () => {
  const { clock, process } = returning(80)
  clock.advance(1500)
  assert.equal(process.returns, 0)
  clock.advance(1000)
  assert.equal(process.returns, 1)
  process.megabytes = 50
  clock.advance(60_000)
  assert.equal(process.returns, 1)
})

test('what comes back at once after it was given back is in use and no growth', async () => {
  const { clock, process } = returning(80)
  clock.advance(2500)
  process.megabytes = 70
  clock.advance(60_000)
  process.megabytes = 76
  clock.advance(60_000)
  assert.equal(process.returns, 1)
  process.megabytes = 79
  clock.advance(1000)
  assert.equal(process.returns, 2)
})

test('a process that grows all the time does it every ten seconds, and a stopped one never', async () => {
  const { clock, process, memory } = returning(80)
  for (let second = 0; second < 32; second++) {
    process.megabytes += 20
    clock.advance(1000)
  }
  assert.equal(process.returns, 4)
  const registry = new MetricRegistry()
  memory.register(registry)
  const [family] = registry.families
  assert.equal(family?.name, 'lateen_proxy_memory_returns_total')
  memory.stop()
  clock.advance(60_000)
  assert.equal(process.returns, 4)
})

test('what a large configuration has left behind goes before anything is served, a small one costs the start nothing', async () => {
  const large = returning(120)
  await large.memory.afterLoading()
  assert.equal(large.process.returns, 1)
  large.clock.advance(2500)
  assert.equal(large.process.returns, 2, 'the first look is not put off by it')

  const small = returning(60)
  await small.memory.afterLoading()
  assert.equal(small.process.returns, 0)
})

const mapping = (head: string, written: Partial<Record<'Anonymous' | 'Private_Dirty' | 'Swap', number>> = {}): string =>
  `${head}\nSize:  8 kB\nRss:   8 kB\nPrivate_Dirty:  ${written.Private_Dirty ?? 0} kB\nAnonymous:   ${written.Anonymous ?? 0} kB\nSwap:  ${written.Swap ?? 0} kB\nVmFlags: rd mr mw me\n`

test('only pages of files that nobody has written are forgotten', () => {
  const program = mapping('00400000-00402000 r-xp 00000000 fe:01 4711                       /usr/local/bin/node')
  assert.deepEqual(forgettable(program), [{ address: 0x400000, bytes: 0x2000 }])
  const constants = mapping('7f0000000000-7f0000001000 r--p 00002000 fe:01 4711             /usr/lib/a library.so')
  assert.deepEqual(forgettable(program + constants), [
    { address: 0x400000, bytes: 0x2000 },
    { address: 0x7f0000000000, bytes: 0x1000 },
  ])
  const others = [
    mapping('00402000-00404000 rw-p 00002000 fe:01 4711                       /usr/local/bin/node'),
    mapping('7f0000000000-7f0000001000 r-xp 00000000 00:00 0                  '),
    mapping('7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0                  [vdso]'),
    mapping('00400000-00402000 r-xp 00000000 fe:01 4711                       /usr/local/bin/node', { Anonymous: 4 }),
    mapping('00400000-00402000 r-xp 00000000 fe:01 4711                       /usr/local/bin/node', { Private_Dirty: 4 }),
    mapping('00400000-00402000 r--p 00000000 fe:01 4711                       /usr/local/bin/node', { Swap: 4 }),
  ]
  assert.deepEqual(forgettable(others.join('')), [])
  assert.deepEqual(forgettable(''), [])
})

test('a process that gave its memory back goes on, with less', { skip: process.platform !== 'linux' }, async () => {
  const program = `
    import { readFileSync } from 'node:fs'
    import { createSecureContext } from 'node:tls'
    import { giveMemoryBack } from '${path.join(import.meta.dirname, 'give-back.ts')}'
    const files = () => Number(/^RssFile:\\s+(\\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))[1])
    const before = files()
    await giveMemoryBack()
    const after = files()
    createSecureContext({})
    console.log(JSON.stringify({ before, after, sorted: [3, 1, 2].sort().join() }))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
  const { before, after, sorted } = JSON.parse(text)
  assert.equal(sorted, '1,2,3')
  assert.ok(after < before / 2, `${before} kB of files before, ${after} kB after`)
})
