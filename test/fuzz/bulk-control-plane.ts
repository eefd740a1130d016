// A whole control plane in a process of its own that watches how long its main thread keeps others waiting. Started by bulk.test.ts,
// which asks for the figures over IPC. A turn is what runs between two ticks of a timer: its processor time is what the thread itself
// worked; its stall is what others waited, less the time in which the kernel ran somebody else's program (schedstat).
import { readFileSync } from 'node:fs'
import { systemClock } from '../../src/base/clock.ts'
import { createLogger } from '../../src/base/log.ts'
import { startControlPlane } from '../../src/bin/control-plane/start.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'

export interface TurnFigures {
  readonly longestCpuMs: number
  readonly longestStallMs: number
  readonly peakRssMb: number
  readonly mainThreadCpuMs: number
  readonly processCpuMs: number
}

const TICK_MS = 5
const [dir = '', state = ''] = process.argv.slice(2)

/** Of the main thread: its id is the process's. Elsewhere than on Linux nothing is known, and nothing is subtracted. */
function runQueueWaitMs(): number {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

const cpuMs = ({ user, system }: { readonly user: number; readonly system: number }): number => (user + system) / 1000
const now = () => ({ wallMs: performance.now(), waitMs: runQueueWaitMs(), cpuMs: cpuMs(process.threadCpuUsage()) })

let last = now()
let longestCpuMs = 0
let longestStallMs = 0
const verbose = process.env.BULK_VERBOSE !== undefined
const startedMs = performance.now()
setInterval(() => {
  const at = now()
  const ranMs = at.cpuMs - last.cpuMs
  if (verbose && ranMs > 60)
    process.stderr.write(`${((at.wallMs - startedMs) / 1000).toFixed(1)} s: a turn of ${ranMs.toFixed(0)} ms CPU\n`)
  longestCpuMs = Math.max(longestCpuMs, ranMs)
  longestStallMs = Math.max(longestStallMs, at.wallMs - last.wallMs - (at.waitMs - last.waitMs))
  last = at
}, TICK_MS)

const log = createLogger({
  level: verbose ? 'info' : 'error',
  format: 'text',
  write: (line) => void process.stderr.write(line.slice(0, 300)),
  nowMs: () => systemClock.nowMs(),
})
const controlPlane = await startControlPlane({
  ...{ dir, state, host: '127.0.0.1', port: 0, monitoringPort: 0, version: '0.0.0-test', pid: process.pid, isRoot: false },
  settings: DEFAULT_MESH_SETTINGS,
  clock: systemClock,
  log,
})
const { port, rootPem, socket } = controlPlane
// What starting cost is no part of what is measured.
const before = { main: cpuMs(process.threadCpuUsage()), all: cpuMs(process.cpuUsage()) }
longestCpuMs = 0
longestStallMs = 0
process.on('message', () => {
  const figures: TurnFigures = {
    longestCpuMs,
    longestStallMs,
    peakRssMb: process.resourceUsage().maxRSS / 1024,
    mainThreadCpuMs: cpuMs(process.threadCpuUsage()) - before.main,
    processCpuMs: cpuMs(process.cpuUsage()) - before.all,
  }
  process.send?.({ figures })
})
process.on('disconnect', () => process.exit(0))
process.send?.({ ready: { port, rootPem, socket } })
