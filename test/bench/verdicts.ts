// One line of the table of all rows: what was measured, what stands beside it, the bar, and whether it is met. Every row ends in these,
// so that one command can judge them all. Pure.
import { cpus, loadavg } from 'node:os'

export interface Verdict {
  /** As in the table of bars: S1 to S13. */
  readonly row: string
  readonly what: string
  readonly own: string
  /** The others of the same run. */
  readonly beside: string
  readonly ratio: number | undefined
  readonly bar: string
  /** Undefined: reported, not judged. */
  readonly met: boolean | undefined
  readonly load: number
}

export function atMost(row: string, what: string, value: number, max: number, unit: string, beside = ''): Verdict {
  return {
    row,
    what,
    own: `${tidy(value)} ${unit}`,
    beside,
    ratio: undefined,
    bar: `<= ${tidy(max)} ${unit}`,
    met: value <= max,
    load: load(),
  }
}

export function atLeast(row: string, what: string, value: number, min: number, unit: string): Verdict {
  const [own, bar] = [`${tidy(value)} ${unit}`, `>= ${tidy(min)} ${unit}`]
  return { row, what, own, beside: '', ratio: undefined, bar, met: value >= min, load: load() }
}

/** Against a peer of the same run; without the peer nothing can be said. */
export function ratioAtMost(
  row: string,
  what: string,
  unit: string,
  own: number,
  peer: number | undefined,
  max: number,
  others = '',
): Verdict {
  const ratio = peer === undefined ? undefined : own / peer
  const beside = peer === undefined ? 'no Envoy here' : `envoy ${tidy(peer)}${others}`
  const met = ratio === undefined ? undefined : ratio <= max
  return { row, what, own: `${tidy(own)} ${unit}`, beside, ratio, bar: `<= ${max.toFixed(2)}x`, met, load: load() }
}

export function reported(row: string, what: string, own: string, beside = ''): Verdict {
  return { row, what, own, beside, ratio: undefined, bar: '', met: undefined, load: load() }
}

export function printVerdicts(all: readonly Verdict[]): void {
  console.log(
    `\n${'row'.padEnd(4)} ${'what'.padEnd(58)} ${'ours'.padEnd(22)} ${'x Envoy'.padEnd(8)} ${'bar'.padEnd(14)} ${'verdict'.padEnd(9)} load  beside`,
  )
  for (const { row, what, own, beside, ratio, bar, met, load: at } of all) {
    const verdict = met === undefined ? 'reported' : met ? 'met' : 'MISSED'
    const columns = [row.padEnd(4), what.padEnd(58), own.padEnd(22), (ratio?.toFixed(2) ?? '').padEnd(8), bar.padEnd(14), verdict.padEnd(9)]
    console.log(`${columns.join(' ')} ${at.toFixed(1).padStart(4)}  ${beside}`)
  }
}

/** The same as a table of Markdown, for a page of the documentation. */
export function markdownOf(all: readonly Verdict[]): string {
  const lines = all.map(({ row, what, own, beside, ratio, bar, met }) => {
    const verdict = met === undefined ? 'reported' : met ? 'met' : '**missed**'
    return [row, what, own, ratio?.toFixed(2) ?? '', bar, verdict, beside].map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' '))
  })
  const table = [
    ['row', 'what', 'ours', 'x Envoy', 'bar', 'verdict', 'beside'],
    ['---', '---', '---:', '---:', '---:', '---', '---'],
    ...lines,
  ]
  const loads = all.map(({ load: at }) => at)
  const where = `Node ${process.versions.node} on ${cpus()[0]?.model ?? 'an unknown processor'}, ${cpus().length} processors`
  const when = `load average ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)} while measuring`
  return `${where}; ${when}.\n\n${table.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`
}

export function anyMissed(all: readonly Verdict[]): boolean {
  return all.some(({ met }) => met === false)
}

function tidy(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function load(): number {
  return loadavg()[0] ?? 0
}
