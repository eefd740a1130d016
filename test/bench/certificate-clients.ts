// Callers of the certificate service, in a process of their own: each is a workload with an identity, asks over HTTP/2 on TLS, and looks at
// what it gets. Requests are made beforehand, so that the server is what is waited for.
import { generateKeyPairSync } from 'node:crypto'
import { type ClientHttp2Session, connect } from 'node:http2'
import { fullCodec } from '../../src/envoy/full-codec.ts'
import { CREATE_CERTIFICATE_PATH } from '../../src/envoy/type-urls.ts'
import { readCertificate } from '../../src/identity/certificate.ts'
import { buildCsr } from '../../src/identity/csr.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'

export type ClientOrder =
  | { readonly do: 'join'; readonly port: number; readonly rootsPem: string; readonly tokens: readonly string[] }
  | { readonly do: 'renew'; readonly keep: boolean; readonly each: number }

interface Caller {
  readonly id: string
  readonly request: Buffer
  readonly keyPem: string
  chainPem: string
}

const AT_ONCE = 16
let server = { port: 0, rootsPem: '' }
let callers: readonly Caller[] = []

process.on('message', (order: ClientOrder) => void obey(order))
process.on('disconnect', () => process.exit(0))
process.send?.({ ready: true })

async function obey(order: ClientOrder): Promise<void> {
  if (order.do === 'join') {
    server = order
    callers = order.tokens.map((_, index) => caller(index))
    process.send?.({ made: true })
    const started = performance.now()
    await inTurns(callers, async (each, index) => {
      const session = await open(undefined)
      each.chainPem = await ask(session, each, `Bearer ${order.tokens[index]}`)
      session.close()
    })
    process.send?.({ issued: callers.length, ms: performance.now() - started })
    return
  }
  const started = performance.now()
  await inTurns(callers, async (each) => {
    let session = order.keep ? await open(each) : undefined
    for (let count = 0; count < order.each; count++) {
      session ??= await open(each)
      await ask(session, each, undefined)
      if (order.keep) continue
      session.close()
      session = undefined
    }
    session?.close()
  })
  process.send?.({ issued: callers.length * order.each, ms: performance.now() - started })
}

function caller(index: number): Caller {
  const id = parseSpiffeId(`spiffe://cluster.local/ns/bench/sa/account-${index}`)
  if (!id.ok) throw new Error('no identity')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const message = fullCodec.encode('istio.v1.auth.IstioCertificateRequest', {
    csr: buildCsr(id.value, privateKey),
    validityDuration: 86_400,
  })
  const request = Buffer.alloc(5 + message.length)
  request.writeUInt32BE(message.length, 1)
  request.set(message, 5)
  return { id: id.value, request, keyPem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })), chainPem: '' }
}

async function inTurns<T>(all: readonly T[], action: (each: T, index: number) => Promise<void>): Promise<void> {
  const left = [...all.entries()]
  const one = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) await action(next[1], next[0])
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
}

function open(as: Caller | undefined): Promise<ClientHttp2Session> {
  const own = as === undefined ? {} : { key: as.keyPem, cert: as.chainPem }
  const session = connect(`https://localhost:${server.port}`, { ca: server.rootsPem, ...own })
  return new Promise((resolve, reject) => {
    session.once('connect', () => resolve(session))
    session.once('error', reject)
  })
}

/** The chain without its roots. Throws what the server said when there is none. */
function ask(session: ClientHttp2Session, { id, request }: Caller, authorization: string | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ...{ ':method': 'POST', ':path': CREATE_CERTIFICATE_PATH, 'content-type': 'application/grpc', te: 'trailers' },
      ...(authorization === undefined ? {} : { authorization }),
    })
    const chunks: Buffer[] = []
    let trailers: Readonly<Record<string, unknown>> = {}
    stream.on('trailers', (received: Readonly<Record<string, unknown>>) => {
      trailers = received
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('end', () => {
      const answer = fullCodec.decode('istio.v1.auth.IstioCertificateResponse', Buffer.concat(chunks).subarray(5))
      const chain = answer.ok ? (answer.value.certChain ?? []) : []
      const facts = readCertificate(chain[0] ?? '')
      if (facts.ok && facts.value.uris[0] === id) resolve(chain.slice(0, -1).join(''))
      else reject(new Error(`no certificate: ${String(trailers['grpc-status'])} ${String(trailers['grpc-message'])}`))
    })
    stream.end(request)
  })
}
