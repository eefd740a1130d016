// What the process is made of: memory in numbers, and on demand a heap snapshot or a CPU profile in a file of its own. Used by the admin
// port; the files open in the developer tools of any Chromium. They see the thread that asks: with several data threads, the main one.
// Invariant: a heap snapshot holds the private keys, so each file lies in a new folder that only the proxy's own user may enter.
import { mkdtemp, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { LateenError } from '../../base/errors.ts'

export interface Diagnostics {
  /** Path of the `.heapsnapshot`. Nothing else runs meanwhile: about a second for 100 MB. */
  writeHeapSnapshot(): Promise<string>
  /** Path of the `.cpuprofile`, when `durationMs` are over. Rejects when one is being made. */
  writeCpuProfile(durationMs: number): Promise<string>
}

/** @param folder under which each file gets a folder. */
export function createDiagnostics(folder: string, clock: Clock): Diagnostics {
  let isProfiling = false
  const fileIn = async (name: string): Promise<string> => path.join(await mkdtemp(path.join(folder, 'lateen-proxy-')), name)
  return {
    async writeHeapSnapshot() {
      const file = await fileIn('heap.heapsnapshot')
      // Loaded when it is asked for: every sidecar would carry it.
      const { writeHeapSnapshot } = await import('node:v8')
      return writeHeapSnapshot(file)
    },
    async writeCpuProfile(durationMs) {
      if (isProfiling) throw new LateenError('PROFILE_RUNNING', 'a CPU profile is being made already; ask again when it is done')
      isProfiling = true
      const { Session } = await import('node:inspector/promises')
      const session = new Session()
      session.connect()
      try {
        const file = await fileIn('cpu.cpuprofile')
        await session.post('Profiler.enable')
        await session.post('Profiler.start')
        await new Promise<void>((resolve) => void clock.after(durationMs, resolve))
        const { profile } = await session.post('Profiler.stop')
        await writeFile(file, JSON.stringify(profile), { mode: 0o600 })
        return file
      } finally {
        session.disconnect()
        isProfiling = false
      }
    },
  }
}

/** In the words of Envoy's /memory (admin.v3.Memory: 64-bit numbers are text), and what Node says beside it. */
export function memoryReport(usage: NodeJS.MemoryUsage): Readonly<Record<string, string>> {
  return {
    allocated: String(usage.heapUsed + usage.external),
    heap_size: String(usage.heapTotal),
    total_physical_bytes: String(usage.rss),
    external: String(usage.external),
    array_buffers: String(usage.arrayBuffers),
  }
}
