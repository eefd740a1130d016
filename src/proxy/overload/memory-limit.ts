// The memory limit of the container that this process runs in, as the kernel states it. Called once, at the start.

/** No machine has so much: cgroup v1 writes a number near 2^63 for 'no limit'. */
const NO_LIMIT_FROM = 2 ** 50

/** @param read the text of a file, or undefined where there is none. */
export function containerMemoryLimit(read: (file: string) => string | undefined): number | undefined {
  return (
    bytesOf(read('/sys/fs/cgroup/memory.max')) ?? // cgroup v2: a number or 'max'
    bytesOf(read('/sys/fs/cgroup/memory/memory.limit_in_bytes'))
  )
}

function bytesOf(text: string | undefined): number | undefined {
  const bytes = /^\d+$/.test(text?.trim() ?? '') ? Number(text) : Number.NaN
  return bytes > 0 && bytes < NO_LIMIT_FROM ? bytes : undefined
}

/** '256Mi', '1Gi', '200MB' or a number of bytes; undefined: none of these. */
export function parseMemory(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(text.trim()) ?? []
  const factor = FACTORS.get(unit.toLowerCase())
  return digits === undefined || factor === undefined || Number(digits) === 0 ? undefined : Math.round(Number(digits) * factor)
}

const FACTORS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['k', 1000],
  ['kb', 1000],
  ['ki', 1024],
  ['m', 1e6],
  ['mb', 1e6],
  ['mi', 1024 ** 2],
  ['g', 1e9],
  ['gb', 1e9],
  ['gi', 1024 ** 3],
])
