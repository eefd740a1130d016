// Reads lines of the access log in Istio's text format (as xds/generate/access-log.ts asks for it).
import { waitFor } from './wait.ts'

export interface AccessLogLine {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly flags: string
  readonly details: string
  readonly transportFailure: string
  readonly upstreamHost: string
  readonly cluster: string
}

const FIELDS = /"[^"]*"|\[[^\]]*\]|\S+/g

/** Undefined for a line that is something else. */
export function parseAccessLog(line: string): AccessLogLine | undefined {
  if (!line.startsWith('[20')) return undefined
  const fields = (line.match(FIELDS) ?? []).map((field) => (field.startsWith('"') ? field.slice(1, -1) : field))
  const [, request = '', status = '', flags = '', details = '', , transportFailure = '', ...rest] = fields
  const [method = '', path = ''] = request.split(' ')
  // After bytes received and sent, duration, service time, forwarded-for, user agent, request id and authority.
  const [upstreamHost = '', cluster = ''] = rest.slice(8)
  return { method, path, status: Number(status), flags, details, transportFailure, upstreamHost, cluster }
}

/** Waits for the log to contain a line: writing it is no part of the answer and may come later. */
export function untilLogged(
  read: () => readonly AccessLogLine[],
  fits: (line: AccessLogLine) => boolean,
  what: string,
): Promise<AccessLogLine> {
  return waitFor(() => read().find(fits), { what: `access log line: ${what}`, timeoutMs: 5000 })
}
