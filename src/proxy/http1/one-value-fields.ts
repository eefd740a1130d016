// Request fields whose repeated lines are one value for whoever asks for the value (Envoy: inline headers; each was asked of a real one).
// Of every other repeated field %REQ()% is the first line. Used by head.ts and http/mutated-fields.ts.
// Invariant: only for saying a value. Routes and policies judge each line, because each line travels on.

const ONE_VALUE: ReadonlySet<string> = new Set([
  ...['accept', 'accept-encoding', 'authorization', 'cache-control', 'connection', 'content-encoding', 'content-type', 'expect'],
  ...['access-control-request-headers', 'access-control-request-method', 'grpc-accept-encoding', 'grpc-timeout', 'if-match'],
  ...['if-none-match', 'keep-alive', 'origin', 'pragma', 'proxy-connection', 'proxy-status', 'referer', 'te', 'upgrade', 'user-agent'],
  ...['via', 'x-client-trace-id', 'x-forwarded-client-cert', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port'],
  ...['x-forwarded-proto', 'x-request-id'],
])

export function isOneValue(lowerName: string): boolean {
  return ONE_VALUE.has(lowerName) || lowerName.startsWith('x-envoy-')
}
