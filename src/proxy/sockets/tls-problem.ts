// What went wrong with a TLS connection, as the access log says it: one line, without OpenSSL's thread numbers and paths of its source.
// Used at both ends of the proxy.
import { errorCode, errorMessage } from '../../base/errors.ts'

export function tlsProblem(error: unknown): string {
  return `TLS_error: ${opensslReason(error) ?? errorMessage(error)}`
}

/** node:tls says so of a socket that closes before its handshake is done, without an error of its own. */
export function isHangUp(error: unknown): boolean {
  return errorCode(error) === 'ECONNRESET'
}

/** Node's own property of errors that come from OpenSSL: 'no shared cipher'. */
function opensslReason(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('reason' in error)) return undefined
  return typeof error.reason === 'string' ? error.reason : undefined
}
