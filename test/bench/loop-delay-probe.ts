// Loaded into a proxy under measurement (node --import 'loop-delay-probe.ts?file=F&after=SECONDS'): how late its loop is, from SECONDS after
// the start on, written to F every half second as JSON. Used by pushes.ts; never part of the product.
import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 1
const parameters = new URL(import.meta.url).searchParams
const file = parameters.get('file') ?? ''
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })

setTimeout(() => delay.enable(), Number(parameters.get('after')) * 1000).unref()
setInterval(() => {
  // What it records is the time between two ticks of its timer.
  const lateMs = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
  const report = {
    p50: lateMs(delay.percentile(50)),
    p99: lateMs(delay.percentile(99)),
    p999: lateMs(delay.percentile(99.9)),
    max: lateMs(delay.max),
  }
  writeFileSync(file, JSON.stringify({ ...report, count: delay.count }))
}, 500).unref()
