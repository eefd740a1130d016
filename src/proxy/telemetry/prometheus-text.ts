// Prometheus' text exposition format 0.0.4. Yields chunks, so that the admin port can send thousands of series without holding the
// loop: the sender lets other work run between chunks.
import type { MetricFamily } from './metrics.ts'

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

const CHUNK_CHARACTERS = 32 * 1024

export function* prometheusText(families: Iterable<MetricFamily>): Iterable<string> {
  let chunk = ''
  for (const family of families) {
    let head = `# HELP ${family.name} ${family.help}\n# TYPE ${family.name} ${family.type}\n`
    for (const { suffix, labels, value } of family.samples()) {
      chunk += `${head}${family.name}${suffix}${labels === '' ? '' : `{${labels}}`} ${formatValue(value)}\n`
      head = ''
      if (chunk.length < CHUNK_CHARACTERS) continue
      yield chunk
      chunk = ''
    }
  }
  if (chunk !== '') yield chunk
}

function formatValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}
