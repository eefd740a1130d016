// A route for some clients only (sourceLabels, sourceNamespace). Compared when a sidecar's configuration is made: a client's own proxy
// decides, so nothing on the wire is trusted for it.

/** Which clients a route is for. Decided when a sidecar's configuration is made; gateways have no such clients and ignore it. */
export interface ClientMatch {
  readonly labels: Readonly<Record<string, string>>
  readonly namespace: string | undefined
}

export function isForClient(
  client: ClientMatch | undefined,
  { namespace, labels }: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> },
): boolean {
  if (client === undefined) return true
  if (client.namespace !== undefined && client.namespace !== namespace) return false
  return Object.entries(client.labels).every(([key, value]) => labels[key] === value)
}
