// The lines of the monitoring port about xDS, under Istio's names where it has one. The CA's lines are ca/ca-metrics.ts.
import type { XdsServer } from '../../xds/serve/ads-server.ts'

export function formatXdsMetrics(xds: XdsServer, rounds: number): string {
  const { pushes, pushedBytes, rejections, refusedStreams } = xds.metrics
  const lines: readonly (readonly [string, 'counter' | 'gauge', number])[] = [
    ['pilot_xds', 'gauge', xds.statuses().length],
    ['pilot_xds_pushes', 'counter', pushes],
    ['lateen_xds_pushed_bytes', 'counter', pushedBytes],
    ['pilot_total_xds_rejects', 'counter', rejections],
    ['lateen_xds_refused_streams', 'counter', refusedStreams],
    ['lateen_compile_rounds', 'counter', rounds],
  ]
  return lines.map(([name, type, value]) => `# TYPE ${name} ${type}\n${name} ${value}\n`).join('')
}
