import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dataThreads } from './proxy-concurrency.ts'

const files = (content: Record<string, string>) => (file: string) => content[file]

test("0 threads means as many as the container's CPU limit, rounded up and never more than there are processors", () => {
  const v2 = (text: string) => dataThreads(0, 8, files({ '/sys/fs/cgroup/cpu.max': text }))
  assert.equal(v2('150000 100000\n'), 2)
  assert.equal(v2('10000 100000\n'), 1)
  assert.equal(v2('6400000 100000\n'), 8)
  assert.equal(v2('max 100000\n'), 8)
  const v1 = (quota: string) =>
    dataThreads(0, 8, files({ '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': quota, '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n' }))
  assert.equal(v1('300000\n'), 3)
  assert.equal(v1('-1\n'), 8)
  assert.equal(dataThreads(0, 2, files({})), 2)
})

test('a number that was given stands', () => {
  assert.equal(dataThreads(3, 1, files({ '/sys/fs/cgroup/cpu.max': '100000 100000' })), 3)
})
