// What a sidecar shows to, and thinks of, somebody who speaks TLS to it from outside the mesh's own code.
import { X509Certificate } from 'node:crypto'
import { connect, type TLSSocket } from 'node:tls'
import type { HostPort } from '../../src/model/address-plan.ts'
import type { TestCertificate } from './certificates.ts'
import { type Answer, HttpConnection } from './http-connection.ts'

/** What our sidecars say in their hello; one of the ALPN names by which an inbound listener knows mesh TLS. */
const MESH_ALPN = ['istio-http/1.1', 'istio']

export interface ServedCertificate {
  readonly protocol: string | null
  readonly uris: readonly string[]
  readonly serial: string
  readonly notAfterMs: number
}

/** Verifies the server by the mesh's roots (names are SPIFFE ids, not hosts: those are asserted by the test). */
export function dialTls(to: HostPort, client: TestCertificate | undefined, rootsPem: string): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...to,
      ca: rootsPem,
      ...(client === undefined ? {} : { cert: client.chainPem, key: client.keyPem }),
      ALPNProtocols: MESH_ALPN,
      checkServerIdentity: () => undefined,
    })
    socket.once('secureConnect', () => resolve(socket))
    socket.once('error', reject)
  })
}

export async function servedCertificate(to: HostPort, client: TestCertificate, rootsPem: string): Promise<ServedCertificate> {
  const socket = await dialTls(to, client, rootsPem)
  const certificate = new X509Certificate(socket.getPeerCertificate().raw)
  const protocol = socket.getProtocol()
  socket.on('error', () => undefined)
  socket.destroy()
  return { protocol, uris: urisOf(certificate), serial: certificate.serialNumber, notAfterMs: Date.parse(certificate.validTo) }
}

export function urisOf(certificate: X509Certificate): string[] {
  return (certificate.subjectAltName ?? '').split(', ').flatMap((name) => (name.startsWith('URI:') ? [name.slice(4)] : []))
}

export type TlsOutcome = { readonly answered: true; readonly answer: Answer } | { readonly answered: false; readonly reason: string }

/** One POST over TLS. In TLS 1.3 a refused client learns it only when it reads: handshake and answer are one question. */
export async function postOverTls(to: HostPort, client: TestCertificate | undefined, rootsPem: string): Promise<TlsOutcome> {
  let socket: TLSSocket | undefined
  try {
    socket = await dialTls(to, client, rootsPem)
    return { answered: true, answer: await new HttpConnection(socket).post('/head') }
  } catch (error) {
    return { answered: false, reason: error instanceof Error ? error.message : String(error) }
  } finally {
    socket?.destroy()
  }
}
