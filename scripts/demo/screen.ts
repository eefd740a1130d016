// The demo's picture as text, from values: a table of the sidecars, the page's address, and what to try next.
import type { SidecarRow } from './watch-sidecars.ts'

export interface Picture {
  readonly page: string
  readonly rows: readonly SidecarRow[]
  readonly stateOption: string
  /** What the mesh said last. */
  readonly latest: string
}

const HEAD = ['workload', 'identity', 'certificate for', 'requests/s', 'success', 'p50', 'p99'] as const

const TRIES = [
  ['one in ten sees reviews v2', 'virtual-service-reviews-90-10.yaml'],
  ['one in five', 'virtual-service-reviews-80-20.yaml'],
  ['only jason sees v2', 'virtual-service-reviews-test-v2.yaml'],
  ['everyone sees v3', 'virtual-service-reviews-v3.yaml'],
  ['back to v1', 'virtual-service-all-v1.yaml'],
  ['refuse plain text', 'strict-mtls.yaml'],
] as const

export function sidecarTable(rows: readonly SidecarRow[]): string {
  const cells = rows.map((row) => [
    row.name,
    row.identity,
    row.certificateForMs === undefined ? '-' : duration(row.certificateForMs),
    row.requestsPerSecond.toFixed(1),
    row.success === undefined ? '-' : `${(row.success * 100).toFixed(row.success === 1 ? 0 : 1)} %`,
    milliseconds(row.p50Ms),
    milliseconds(row.p99Ms),
  ])
  const widths = HEAD.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)))
  const isNumber = (column: number): boolean => column > 1
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join('   ')
  return [line(HEAD), ...cells.map(line)].join('\n')
}

export function tries(stateOption: string): string {
  const width = Math.max(...TRIES.map(([what]) => what.length))
  const commands = TRIES.map(
    ([what, file]) => `  ${what.padEnd(width)}   npx lateen apply -f samples/bookinfo/networking/${file}${stateOption}`,
  )
  return [
    'Try in another terminal (or edit a file in samples/bookinfo/mesh and save):',
    ...commands,
    `  ${'who runs what'.padEnd(width)}   npx lateen proxy-status${stateOption}`,
  ].join('\n')
}

export function picture({ page, rows, stateOption, latest }: Picture): string {
  return `Bookinfo: ${bold(page)}   Ctrl-C stops everything\n\n${sidecarTable(rows)}\n\n${tries(stateOption)}\n\n${latest}\n`
}

/** Draws over the last picture without flicker: home, each line cleared to its end, the rest of the screen cleared. */
export function redraw(text: string): string {
  return `\u001b[H${text.replaceAll('\n', '\u001b[K\n')}\u001b[J`
}

function bold(text: string): string {
  return `\u001b[1m${text}\u001b[0m`
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? '-' : `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`
}

function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  return minutes >= 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes} min`
}
