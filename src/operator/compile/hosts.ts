// How a user's host becomes a name of the mesh (Istio's rules): a host without a dot belongs to the namespace of the object that says it.
// Used by destination-rules.ts and virtual-services.ts.
import { suggest } from '../../base/suggest.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import { serviceHostname } from '../../model/mesh-settings.ts'

/** `reviews` in namespace default -> `reviews.default.svc.cluster.local`; dotted names, wildcards and addresses stay. */
export function resolveHost(host: string, namespace: string, settings: MeshSettings): string {
  const lower = host.toLowerCase()
  return lower.includes('.') || lower.includes('*') || lower.includes(':') ? lower : serviceHostname(lower, namespace, settings)
}

const LABEL = '[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?'
const ROUTABLE = new RegExp(`^(\\*|(\\*[.-]?)?${LABEL}(\\.${LABEL})*\\.?|\\[?[0-9a-f:]+\\]?)$`)

/** Whether requests can carry the host, or a host that the wildcard covers. A proxy refuses a whole route table for another one. */
export function isRoutableHost(host: string): boolean {
  return host.length <= 255 && ROUTABLE.test(host)
}

/** `; did you mean 'reviews'?`, in the form in which the user wrote it, or nothing. */
export function didYouMean(written: string, resolved: string, known: Iterable<string>): string {
  const names = [...known]
  const nearest = suggest(resolved, names)
  if (nearest === undefined) return ''
  const isShort = !written.includes('.')
  return `; did you mean '${isShort ? (nearest.split('.', 1)[0] ?? nearest) : nearest}'?`
}
