// A replica's connection to the leader, on which its digests go. Opened by digest-report.ts, again and again while there is a leader.
// Invariant: what is on the other end is a control plane of this mesh, by its SPIFFE identity: the address comes from a Lease, and names
// of pods are in no certificate.
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { connect as connectTls, type DetailedPeerCertificate, type PeerCertificate } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { type Trust, underOwnName, verifyPeer } from '../../identity/peer.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import { DIGEST_PATH } from './digest-message.ts'
import type { ServerCertificate } from './grpc-server.ts'

export interface DigestConnection {
  send(message: Uint8Array): void
  close(): void
}

export interface DialOptions {
  readonly certificate: () => ServerCertificate
  readonly rootsPem: () => string
  readonly identity: () => SpiffeId
  readonly trust: () => Trust
  readonly clock: Clock
}

/** @param ended why it is over, once; there is nothing to close any more. */
export type DialLeader = (address: { readonly host: string; readonly port: number }, ended: (why: string) => void) => DigestConnection

const HEAD_BYTES = 5
/** What a leader that does not read may make us keep; then the connection is given up. */
const MAX_UNREAD_BYTES = 32 * 1024 * 1024

export function createDialLeader(options: DialOptions): DialLeader {
  return ({ host, port }, ended) => {
    let open = true
    const end = (why: string): void => {
      if (!open) return
      open = false
      session.destroy()
      ended(why)
    }
    const session: ClientHttp2Session = connect(`https://${host.includes(':') ? `[${host}]` : host}:${port}`, {
      createConnection: () =>
        connectTls({
          ...{ host, port, ALPNProtocols: ['h2'], minVersion: 'TLSv1.2' },
          ...{ cert: options.certificate().chainPem, key: options.certificate().keyPem, ca: options.rootsPem() },
          checkServerIdentity: (_host, certificate) => whyNot(certificate, options),
        }),
    })
    session.on('error', (error: Error) => end(error.message))
    session.on('close', () => end('the connection was closed'))
    const stream: ClientHttp2Stream = session.request({
      ...{ ':method': 'POST', ':path': DIGEST_PATH, 'content-type': 'application/grpc', te: 'trailers' },
    })
    const status = (headers: Readonly<Record<string, unknown>>): void => {
      if (headers['grpc-status'] !== undefined) end(`status ${String(headers['grpc-status'])}: ${decoded(headers['grpc-message'])}`)
    }
    stream.on('response', status)
    stream.on('trailers', status)
    stream.on('error', (error: Error) => end(error.message))
    stream.on('close', () => end('the leader ended the call'))
    stream.resume()
    return {
      send(message) {
        if (!open) return
        if (stream.writableLength > MAX_UNREAD_BYTES) return end('the leader does not read')
        const head = Buffer.alloc(HEAD_BYTES)
        head.writeUInt32BE(message.length, 1)
        stream.write(Buffer.concat([head, message]))
      },
      close() {
        if (!open) return
        open = false
        session.destroy()
      },
    }
  }
}

/** Node gives the chain with it, whatever the type of the parameter says. */
function whyNot(certificate: PeerCertificate | DetailedPeerCertificate, { trust, identity, clock }: DialOptions): Error | undefined {
  const peer = verifyPeer(certificate.raw, trust(), clock.nowMs(), 'issuerCertificate' in certificate ? chainOf(certificate) : [])
  if (!peer.ok) return new Error(peer.problems[0]?.message ?? 'the certificate is not of this mesh')
  const own = underOwnName(peer.value, trust())
  return own === identity() ? undefined : new Error(`this is ${own} and not the control plane`)
}

const MAX_CHAIN = 8

function chainOf({ issuerCertificate }: DetailedPeerCertificate): readonly Buffer[] {
  const chain: Buffer[] = []
  let issuer: DetailedPeerCertificate | undefined = issuerCertificate
  while (issuer?.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(issuer.raw)
    issuer = issuer.issuerCertificate === issuer ? undefined : issuer.issuerCertificate
  }
  return chain
}

function decoded(message: unknown): string {
  try {
    return decodeURIComponent(String(message ?? ''))
  } catch {
    return String(message)
  }
}
