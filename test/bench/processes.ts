// CPU time and memory of a process and all that it started, threads included, as Linux accounts them.
import { readdirSync, readFileSync } from 'node:fs'

/** Jiffies per second; Linux reports times in these and every supported kernel uses 100 for user space. */
const TICKS_PER_SECOND = 100

export interface Usage {
  /** User and system time, microseconds, of the process, its threads and its living descendants. */
  readonly cpuUs: number
  readonly rssBytes: number
  /** The most that it ever was (VmHWM). */
  readonly peakBytes: number
}

export function usageOf(pid: number): Usage {
  let cpuUs = 0
  let rssBytes = 0
  let peakBytes = 0
  for (const each of withDescendants(pid)) {
    const stat = read(`/proc/${each}/stat`)
    if (stat === undefined) continue
    // Fields after the command name, which may hold spaces: state is the first, utime the 12th, stime the 13th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    cpuUs += ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / TICKS_PER_SECOND
    const status = read(`/proc/${each}/status`) ?? ''
    rssBytes += Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
    peakBytes += Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
  }
  return { cpuUs, rssBytes, peakBytes }
}

export function withDescendants(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = read(`/proc/${name}/stat`)
    if (stat === undefined) continue
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const all: number[] = []
  const visit = (each: number): void => {
    all.push(each)
    for (const child of children.get(each) ?? []) visit(child)
  }
  visit(pid)
  return all
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
