// Under which Host names a service is found. Called by outbound-routes.ts.
// Invariant: a name stands in one virtual host of a table only; Envoy refuses a whole table for a repeated one.
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { MeshService } from '../../model/service.ts'
import type { ScopeView } from '../view/proxy-view.ts'

/** FQDN, FQDN with the final dot, the short forms that the proxy's own search domains allow, and virtual addresses; of a headless
 *  Service the same below it, where its pods have names (`web-0.web.default.svc.cluster.local`) (Istio's list). */
export function domainsOf(service: MeshService, namespace: string, settings: MeshSettings): readonly string[] {
  const { hostname, name } = service
  const addresses = service.addresses
    .filter((address) => !address.includes('/'))
    .map((address) => (address.includes(':') ? `[${address}]` : address))
  if (!service.hasShortNames) return [hostname, ...(hostname.includes('*') ? [] : [`${hostname}.`]), ...addresses]
  const qualified = `${name}.${service.namespace}`
  const short = service.namespace === namespace ? [name] : []
  const names = [hostname, `${hostname}.`, ...short, qualified, `${qualified}.svc`]
  return [...names, ...(service.resolution === 'passthrough' ? names.map((name) => `*.${name}`) : []), ...addresses].filter(
    (domain, index, all) => all.indexOf(domain) === index && domain !== settings.domainSuffix,
  )
}

/** With the port; also without it when it is the default of http. */
export function withPort(domains: readonly string[], port: number): readonly string[] {
  return domains.flatMap((domain) => (port === 80 ? [domain, `${domain}:80`] : [`${domain}:${port}`]))
}

/** The names nobody took before; what is returned counts as taken. Who asks again is answered the same. */
export class DomainBook {
  readonly #taken = new Set<string>()
  readonly #given = new Map<string, readonly string[]>()

  take(who: string, domains: readonly string[]): readonly string[] {
    const given = this.#given.get(who)
    if (given !== undefined) return given
    const free = domains.filter((domain) => !this.#taken.has(domain))
    for (const domain of free) this.#taken.add(domain)
    this.#given.set(who, free)
    return free
  }
}

const books = new WeakMap<object, Map<string, DomainBook>>()

/** The book of one table, kept as long as the names in it cannot change: a part of a table then has the names that it has in the whole. */
export function bookOf({ structure }: Pick<ScopeView, 'structure'>, table: string): DomainBook {
  const known = books.get(structure) ?? new Map<string, DomainBook>()
  books.set(structure, known)
  const book = known.get(table) ?? new DomainBook()
  known.set(table, book)
  return book
}
