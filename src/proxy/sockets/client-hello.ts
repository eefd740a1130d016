// SNI and ALPN out of a TLS ClientHello, before TLS itself is started: what tls_inspector does (RFC 8446 4.1.2, RFC 6066 3, RFC 7301).
// Pure. Invariant: never throws and never reads beyond the bytes, whatever they are.

export type HelloResult =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'not-tls' }
  | { readonly kind: 'hello'; readonly serverName: string; readonly alpn: readonly string[] }

const HANDSHAKE = 0x16
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const ALPN = 16
/** Envoy: tls_inspector's limit; a hello beyond it is taken without its extensions. */
const MAX_HELLO_BYTES = 16 * 1024
const INCOMPLETE: HelloResult = { kind: 'incomplete' }
const NOT_TLS: HelloResult = { kind: 'not-tls' }

export function readClientHello(bytes: Buffer): HelloResult {
  if (bytes.length === 0) return INCOMPLETE
  if (bytes[0] !== HANDSHAKE) return NOT_TLS
  if (bytes.length > 1 && bytes[1] !== 3) return NOT_TLS
  const message = joinRecords(bytes)
  if (message === undefined) return NOT_TLS
  if (message.length < 4) return INCOMPLETE
  if (message[0] !== CLIENT_HELLO) return NOT_TLS
  const length = message.readUIntBE(1, 3)
  if (length > MAX_HELLO_BYTES) return { kind: 'hello', serverName: '', alpn: [] }
  return message.length < 4 + length ? INCOMPLETE : readExtensions(message.subarray(4, 4 + length))
}

/** A hello may span several records (post-quantum key shares are large). Undefined: a record of another type between. */
function joinRecords(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = []
  let at = 0
  while (at + 5 <= bytes.length) {
    if (bytes[at] !== HANDSHAKE) return parts.length === 0 ? undefined : Buffer.concat(parts)
    const length = bytes.readUInt16BE(at + 3)
    parts.push(bytes.subarray(at + 5, at + 5 + length))
    at += 5 + length
  }
  return Buffer.concat(parts)
}

function readExtensions(hello: Buffer): HelloResult {
  let serverName = ''
  let alpn: readonly string[] = []
  const at = skipToExtensions(hello)
  if (at === -1) return { kind: 'hello', serverName, alpn }
  const end = Math.min(hello.length, at + 2 + hello.readUInt16BE(at))
  for (let next = at + 2; next + 4 <= end; ) {
    const type = hello.readUInt16BE(next)
    const length = hello.readUInt16BE(next + 2)
    const body = hello.subarray(next + 4, Math.min(end, next + 4 + length))
    if (type === SERVER_NAME) serverName = readServerName(body)
    else if (type === ALPN) alpn = readAlpn(body)
    next += 4 + length
  }
  return { kind: 'hello', serverName, alpn }
}

/** Past version, random, session id, cipher suites and compression methods; -1: there are no extensions. */
function skipToExtensions(hello: Buffer): number {
  let at = 34
  if (at >= hello.length) return -1
  at += 1 + (hello[at] ?? 0)
  if (at + 2 > hello.length) return -1
  at += 2 + hello.readUInt16BE(at)
  if (at >= hello.length) return -1
  at += 1 + (hello[at] ?? 0)
  return at + 2 > hello.length ? -1 : at
}

function readServerName(body: Buffer): string {
  if (body.length < 5 || body[2] !== 0) return ''
  const length = body.readUInt16BE(3)
  return body.toString('latin1', 5, 5 + length).toLowerCase()
}

function readAlpn(body: Buffer): readonly string[] {
  const protocols: string[] = []
  let at = 2
  while (at < body.length) {
    const length = body[at] ?? 0
    protocols.push(body.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return protocols
}
