// How many data threads `--concurrency 0` means: the container's CPU limit, rounded up, as Istio's agent counts it. Without a limit the
// number of processors. The default stays 1: a second thread costs 18 MB and helps only a proxy that uses up a whole processor.
import { readFileSync } from 'node:fs'

/** cgroup v2: 'max 100000' or '150000 100000'. v1: two files, quota -1 for none. */
export function dataThreads(asked: number, processors: number, read: (file: string) => string | undefined = readText): number {
  if (asked > 0) return asked
  const limit = limitOf(read('/sys/fs/cgroup/cpu.max')) ?? limitOfV1(read)
  return Math.max(1, Math.min(processors, Math.ceil(limit ?? processors)))
}

function limitOf(text: string | undefined): number | undefined {
  const [quota, period] = (text ?? '').trim().split(' ')
  return quota === undefined || quota === 'max' ? undefined : ratio(quota, period)
}

function limitOfV1(read: (file: string) => string | undefined): number | undefined {
  const quota = read('/sys/fs/cgroup/cpu/cpu.cfs_quota_us')?.trim()
  return quota === undefined || quota === '-1' ? undefined : ratio(quota, read('/sys/fs/cgroup/cpu/cpu.cfs_period_us')?.trim())
}

function ratio(quota: string, period: string | undefined): number | undefined {
  const cpus = Number(quota) / Number(period ?? '100000')
  return cpus > 0 && Number.isFinite(cpus) ? cpus : undefined
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
