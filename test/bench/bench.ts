// npm run bench [-- data-plane] [--short] [--rounds N] [--seconds N] [--peers lateen,envoy] [--scenarios S1,S2]
// Prints the table and the bars; exits 1 when a bar is not met, so that CI can hold it.
import { parseArgs } from 'node:util'
import { benchDataPlane, type DataPlaneRow } from './data-plane.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    peers: { type: 'string' },
    scenarios: { type: 'string' },
  },
})

/** The first bars: CPU per request against Envoy on the same bootstrap. */
const MAX_RATIO_TO_ENVOY = 0.9

const rows = await benchDataPlane({
  rounds: Number(values.rounds ?? (values.short ? 1 : 3)),
  seconds: Number(values.seconds ?? (values.short ? 3 : 6)),
  warmSeconds: values.short ? 2 : 3,
  scenarios: (values.scenarios ?? 'S1,S2').split(',').filter((each): each is 'S1' | 'S2' => each === 'S1' || each === 'S2'),
  peers: values.peers?.split(','),
})

print(rows)
const missed = rows.filter((row) => row.peer === 'lateen' && row.ratioToEnvoy !== undefined && row.ratioToEnvoy > MAX_RATIO_TO_ENVOY)
for (const row of missed)
  console.log(`bar missed: ${row.scenario} ${row.load}: ${row.ratioToEnvoy?.toFixed(2)} x Envoy, the bar is ${MAX_RATIO_TO_ENVOY}`)
process.exitCode = missed.length === 0 ? 0 : 1

function print(all: readonly DataPlaneRow[]): void {
  console.log('\nrow  load       peer      us/request  x Envoy      rps   p50 ms   p99 ms  idle MB  loaded MB')
  for (const row of all) {
    console.log(
      [
        row.scenario.padEnd(4),
        row.load.padEnd(10),
        row.peer.padEnd(9),
        row.cpuUsPerRequest.toFixed(1).padStart(10),
        (row.ratioToEnvoy?.toFixed(2) ?? '-').padStart(8),
        String(Math.round(row.requestsPerSecond)).padStart(8),
        row.p50Ms.toFixed(2).padStart(8),
        row.p99Ms.toFixed(2).padStart(8),
        row.idleRssMb.toFixed(0).padStart(8),
        row.rssMb.toFixed(0).padStart(10),
      ].join(' '),
    )
  }
}
