// What stands behind /inject in the webhook's path: /inject/cluster/east/net/n1, as Istio's multi-cluster installations configure it. Pure.

/** Name in the path -> field of the injector's configuration. */
const FIELDS: Readonly<Record<string, string>> = { cluster: 'clusterId', net: 'network' }

/** Undefined: another path. Names that are not known say nothing that the proxy could use. */
export function pathSettings(pathname: string): Readonly<Record<string, string>> | undefined {
  const [, first, ...rest] = pathname.split('/')
  if (first !== 'inject') return undefined
  const settings: Record<string, string> = {}
  for (let at = 0; at + 1 < rest.length; at += 2) {
    const field = FIELDS[rest[at] ?? '']
    // Istio's escape for a slash in a value.
    if (field !== undefined) settings[field] = (rest[at + 1] ?? '').replaceAll('--slash--', '/')
  }
  return settings
}
