// Rounds of short windows between peers that all run and are warm: one works, the others are idle. A drift of the machine meets all of them,
// and nobody is always the first. Called by the rows that compare.
// Invariant: processor time is that of the worker's own processes, read before and after its own window; what the idle ones use is nobody's.
import type { ChildProcess } from 'node:child_process'
import { usageOf } from './processes.ts'

export async function takeTurns<C>(rounds: number, contenders: readonly C[], window: (contender: C) => Promise<void>): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const first = contenders.slice(round % Math.max(contenders.length, 1))
    for (const contender of [...first, ...contenders.slice(0, contenders.length - first.length)]) await window(contender)
  }
}

export async function withCost<T>(
  proxies: readonly ChildProcess[],
  work: () => Promise<T>,
): Promise<{ readonly done: T; readonly cpuUs: number }> {
  const before = cpuOf(proxies)
  const done = await work()
  return { done, cpuUs: cpuOf(proxies) - before }
}

function cpuOf(proxies: readonly ChildProcess[]): number {
  return proxies.reduce((sum, { pid = 0 }) => sum + usageOf(pid).cpuUs, 0)
}

export function residentMb(proxies: readonly ChildProcess[]): number {
  return proxies.reduce((sum, { pid = 0 }) => sum + usageOf(pid).rssBytes, 0) / 2 ** 20
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}
