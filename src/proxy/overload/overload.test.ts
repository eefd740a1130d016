import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/fake-clock.ts'
import type { Logger } from '../../base/log.ts'
import { silentLogger } from '../../base/log.ts'
import { MetricRegistry } from '../telemetry/metrics.ts'
import { decideOverload, memoryPressure } from './decide-overload.ts'
import { connectionsByDescriptors } from './descriptor-limit.ts'
import { MemoryGuard } from './memory-guard.ts'
import { containerMemoryLimit, parseMemory } from './memory-limit.ts'
import { OverloadState } from './overload-state.ts'
import { StallWatch } from './stall-watch.ts'

const MB = 1024 * 1024

test('levels rise at their thresholds and fall only below them', () => {
  const walk = [0.5, 0.84, 0.85, 0.81, 0.79, 0.93, 0.88, 0.86, 0.99, 0.93, 0.91, 0.1]
  let level = 0
  const levels = walk.map((pressure) => {
    level = decideOverload(pressure, level)
    return level
  })
  assert.deepEqual(levels, [0, 0, 1, 1, 0, 2, 2, 1, 3, 3, 2, 0])
})

test('pressure is the larger of the share of the container and of the heap', () => {
  const reading = { residentBytes: 90 * MB, heapBytes: 10 * MB, heapLimitBytes: 100 * MB }
  assert.equal(memoryPressure(reading, 100 * MB), 0.9)
  assert.equal(memoryPressure({ ...reading, heapBytes: 95 * MB }, 100 * MB), 0.95)
  assert.equal(memoryPressure(reading, undefined), 0.1)
})

test("the container's limit is read as both cgroup versions write it", () => {
  const files = (given: Record<string, string>) => (file: string) => given[file]
  assert.equal(containerMemoryLimit(files({ '/sys/fs/cgroup/memory.max': '134217728\n' })), 128 * MB)
  assert.equal(containerMemoryLimit(files({ '/sys/fs/cgroup/memory.max': 'max\n' })), undefined)
  assert.equal(containerMemoryLimit(files({ '/sys/fs/cgroup/memory/memory.limit_in_bytes': '134217728\n' })), 128 * MB)
  assert.equal(containerMemoryLimit(files({ '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n' })), undefined)
  assert.equal(containerMemoryLimit(files({})), undefined)
})

test('sizes are read as Kubernetes writes them', () => {
  assert.deepEqual(['128Mi', '1Gi', '200MB', '1.5G', '4096', '0', 'much', '5x', ''].map(parseMemory), [
    128 * MB,
    1024 * MB,
    200e6,
    1.5e9,
    4096,
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})

function logged() {
  const lines: string[] = []
  const log: Logger = {
    ...silentLogger,
    warn: (message, fields) => void lines.push(`warn ${message} ${JSON.stringify(fields)}`),
    info: (message, fields) => void lines.push(`info ${message} ${JSON.stringify(fields)}`),
  }
  return { lines, log }
}

/** A guard of a process whose memory the test sets; its limit is 100 MB. */
function guarded(megabytes: number, log: Logger) {
  const clock = new FakeClock()
  const state = new OverloadState()
  const watched = { megabytes, shrunk: 0 }
  const guard = new MemoryGuard({
    state,
    limitBytes: 100 * MB,
    read: () => ({ residentBytes: watched.megabytes * MB, heapBytes: MB, heapLimitBytes: 1000 * MB }),
    shrink: () => void watched.shrunk++,
    clock,
    log,
  })
  return { clock, state, watched, guard }
}

test('the guard sets the level, makes room while it lasts, and says each change once', () => {
  const { lines, log } = logged()
  const { clock, state, watched, guard } = guarded(50, log)
  guard.register(new MetricRegistry())
  guard.start()
  clock.advance(1000)
  assert.deepEqual([state.level, watched.shrunk], [0, 0])
  watched.megabytes = 97
  clock.advance(5000)
  assert.deepEqual([state.level, state.refusesConnections, state.shedsRequests, watched.shrunk], [3, true, true, 3])
  watched.megabytes = 60
  clock.advance(250)
  assert.equal(state.level, 0)
  assert.equal(lines.length, 2)
  assert.match(lines[0] ?? '', /warn memory is near its limit.*shedding-requests.*97/)
  assert.match(lines[1] ?? '', /info memory is below.*normal/)
  guard.stop()
  assert.equal(clock.pendingTimers, 0)
})

test('when the level has fallen room is made once more, and not again and again', () => {
  const { clock, state, watched, guard } = guarded(97, silentLogger)
  guard.start()
  clock.advance(2500)
  watched.megabytes = 81
  clock.advance(250)
  assert.equal(state.level, 1)
  const before = watched.shrunk
  clock.advance(10_000)
  assert.equal(watched.shrunk, before + 1)
  guard.stop()
})

test('a data thread reads the level that the main thread wrote', () => {
  const main = new OverloadState()
  const thread = new OverloadState(main.cell)
  main.level = 2
  assert.deepEqual([thread.shrinks, thread.refusesConnections, thread.shedsRequests], [true, true, false])
})

test('a loop that stood still is noticed afterwards, one that did not is not', () => {
  const clock = new FakeClock()
  const { lines, log } = logged()
  let lostMs = 0
  // A process that was stopped: its timers run late, and the time has gone on without it.
  const watch = new StallWatch({ ...delegated(clock), monotonicMs: () => clock.monotonicMs() + lostMs }, log)
  watch.start()
  clock.advance(1000)
  assert.deepEqual(lines, [])
  lostMs = 2000
  clock.advance(250)
  clock.advance(1000)
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /stood still.*2000/)
})

function delegated(clock: FakeClock) {
  return { nowMs: () => clock.nowMs(), after: (delayMs: number, action: () => void) => clock.after(delayMs, action) }
}

test('a quarter of the descriptors and some more are kept from clients', () => {
  const limits = (soft: string) =>
    `Limit                     Soft Limit           Hard Limit           Units\nMax open files            ${soft}   1048576   files\n`
  assert.deepEqual(
    ['1024', '160', '40', 'unlimited'].map((soft) => connectionsByDescriptors(limits(soft))),
    [736, 88, 16, undefined],
  )
  assert.equal(connectionsByDescriptors(''), undefined)
})
