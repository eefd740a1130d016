// HPACK's two tables (RFC 7541 section 2.3): the static one, and the dynamic one that both ends build up from what was sent.
// Index 1..61 is static, 62 the newest dynamic entry. Invariant: size never exceeds the maximum; an entry costs its octets + 32 (4.1).

/** Name, value, name, value, ...: a list of fields is flat everywhere in this codec; no object per field. */
// biome-ignore format: a table is read by its rows
const STATIC: readonly string[] = [
  ':authority', '', ':method', 'GET', ':method', 'POST', ':path', '/', ':path', '/index.html', ':scheme', 'http', ':scheme', 'https',
  ':status', '200', ':status', '204', ':status', '206', ':status', '304', ':status', '400', ':status', '404', ':status', '500',
  'accept-charset', '', 'accept-encoding', 'gzip, deflate', 'accept-language', '', 'accept-ranges', '', 'accept', '',
  'access-control-allow-origin', '', 'age', '', 'allow', '', 'authorization', '', 'cache-control', '', 'content-disposition', '',
  'content-encoding', '', 'content-language', '', 'content-length', '', 'content-location', '', 'content-range', '', 'content-type', '',
  'cookie', '', 'date', '', 'etag', '', 'expect', '', 'expires', '', 'from', '', 'host', '', 'if-match', '', 'if-modified-since', '',
  'if-none-match', '', 'if-range', '', 'if-unmodified-since', '', 'last-modified', '', 'link', '', 'location', '', 'max-forwards', '',
  'proxy-authenticate', '', 'proxy-authorization', '', 'range', '', 'referer', '', 'refresh', '', 'retry-after', '', 'server', '',
  'set-cookie', '', 'strict-transport-security', '', 'transfer-encoding', '', 'user-agent', '', 'vary', '', 'via', '',
  'www-authenticate', '',
]

export const STATIC_ENTRIES = STATIC.length / 2
export const DEFAULT_TABLE_SIZE = 4096
const ENTRY_OVERHEAD = 32

const STATIC_BY_NAME = new Map<string, number>()
const STATIC_BY_FIELD = new Map<string, Map<string, number>>()
for (let at = STATIC_ENTRIES; at >= 1; at--) {
  const name = staticName(at)
  STATIC_BY_NAME.set(name, at)
  const values = STATIC_BY_FIELD.get(name) ?? new Map<string, number>()
  STATIC_BY_FIELD.set(name, values.set(staticValue(at), at))
}

export function staticName(index: number): string {
  return STATIC[2 * index - 2] ?? ''
}

export function staticValue(index: number): string {
  return STATIC[2 * index - 1] ?? ''
}

/** Index of name and value together; 0 for none. */
export function findStaticField(name: string, value: string): number {
  return STATIC_BY_FIELD.get(name)?.get(value) ?? 0
}

/** Lowest index with this name; 0 for none. */
export function findStaticName(name: string): number {
  return STATIC_BY_NAME.get(name) ?? 0
}

/** Newest entry last, so that an insertion is a push and an eviction a step of `#first`. */
export class DynamicTable {
  #fields: string[] = []
  #first = 0
  #size = 0
  #maxSize: number

  constructor(maxSize = DEFAULT_TABLE_SIZE) {
    this.#maxSize = maxSize
  }

  get maxSize(): number {
    return this.#maxSize
  }

  get size(): number {
    return this.#size
  }

  get entries(): number {
    return (this.#fields.length - this.#first) / 2
  }

  /** @param position 0 is the newest. The caller has checked it against `entries`. */
  name(position: number): string {
    return this.#fields[this.#fields.length - 2 - 2 * position] ?? ''
  }

  value(position: number): string {
    return this.#fields[this.#fields.length - 1 - 2 * position] ?? ''
  }

  resize(maxSize: number): void {
    this.#maxSize = maxSize
    this.#evictTo(maxSize)
  }

  /** An entry larger than the table empties it, which is no error (RFC 7541 4.4). */
  insert(name: string, value: string): void {
    const cost = name.length + value.length + ENTRY_OVERHEAD
    this.#evictTo(Math.max(0, this.#maxSize - cost))
    if (cost > this.#maxSize) return
    this.#fields.push(name, value)
    this.#size += cost
  }

  /** Position of the whole field, or of the name alone as -2 - position, or -1 for neither. At most some 120 entries: a scan will do. */
  find(name: string, value: string): number {
    let byName = -1
    for (let position = 0; position < this.entries; position++) {
      if (this.name(position) !== name) continue
      if (this.value(position) === value) return position
      if (byName === -1) byName = -2 - position
    }
    return byName
  }

  #evictTo(size: number): void {
    while (this.#size > size) {
      const cost = (this.#fields[this.#first]?.length ?? 0) + (this.#fields[this.#first + 1]?.length ?? 0) + ENTRY_OVERHEAD
      this.#size -= cost
      this.#first += 2
    }
    // Compact once half of the array is dead: amortised constant, and evicted text can be collected.
    if (this.#first > 32 && this.#first * 2 > this.#fields.length) {
      this.#fields = this.#fields.slice(this.#first)
      this.#first = 0
    }
  }
}
