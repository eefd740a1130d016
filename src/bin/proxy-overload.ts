// Memory and event loop of this process under watch. Made once by proxy-process.ts.
import { readFileSync } from 'node:fs'
import { getHeapStatistics } from 'node:v8'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { forgetPages, giveMemoryBack } from '../proxy/overload/give-back.ts'
import { MemoryGuard } from '../proxy/overload/memory-guard.ts'
import { containerMemoryLimit } from '../proxy/overload/memory-limit.ts'
import { MemoryReturn } from '../proxy/overload/memory-return.ts'
import type { OverloadState } from '../proxy/overload/overload-state.ts'
import { StallWatch } from '../proxy/overload/stall-watch.ts'
import type { DataSide } from './proxy-data-side.ts'

export interface ProcessWatches {
  /** Before anything is served: what reading a large configuration has left behind is given back. */
  afterLoading(): Promise<void>
  stop(): void
}

export interface WatchParts {
  readonly overload: OverloadState
  readonly dataSide: DataSide
  /** Undefined: the container's limit, if it has one. */
  readonly maxMemoryBytes: number | undefined
  readonly clock: Clock
  readonly log: Logger
}

export function watchProcess({ overload, dataSide, maxMemoryBytes, clock, log }: WatchParts): ProcessWatches {
  const heapLimitBytes = getHeapStatistics().heap_size_limit
  const memory = new MemoryGuard({
    state: overload,
    limitBytes: maxMemoryBytes ?? containerMemoryLimit(readText),
    read: () => {
      const { rss, heapUsed } = process.memoryUsage()
      return { residentBytes: rss, heapBytes: heapUsed, heapLimitBytes }
    },
    shrink: () => {
      dataSide.dataPlane.shrink()
      // Pages of Node's own program count as resident too, and are the easiest to do without.
      void forgetPages()
    },
    clock,
    log,
  })
  const stalls = new StallWatch(clock, log)
  const returns = new MemoryReturn({ residentBytes: () => process.memoryUsage.rss(), giveBack: giveMemoryBack, clock })
  const watches = [memory, stalls, returns]
  for (const watch of watches) {
    watch.register(dataSide.registry)
    watch.start()
  }
  return {
    afterLoading: () => returns.afterLoading(),
    stop() {
      for (const watch of watches) watch.stop()
    },
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
