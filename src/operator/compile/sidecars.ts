// Sidecar objects become scopes: what the proxies of a namespace want to know. Which scope is a proxy's is decided in xds/view.
// Invariant: what is not understood narrows nothing more than what was written.
import { type Finding, finding } from '../../api/finding.ts'
import type { Destination, Sidecar } from '../../api/generated/sidecar.gen.ts'
import { keyOf } from '../../api/object-meta.ts'
import type { HostPattern, SidecarScope } from '../../model/sidecar-scope.ts'
import { byAge, originOf } from './mesh-draft.ts'
import { definePass } from './pass.ts'
import { Remembered } from './remembered.ts'
import { inboundOf, ingressFindings } from './sidecar-inbound.ts'

export const sidecars = definePass({
  kinds: ['Sidecar'],
  reads: ['workloads'],
  create: () => {
    const compiled = new Remembered(scopeOf)
    return ({ objects, draft }) => {
      const compile = compiled.round()
      const findings: Finding[] = []
      const scopes = new Map<string, SidecarScope>()
      const general = new Map<string, Sidecar>()
      for (const object of [...objects.Sidecar.values()].sort(byAge)) {
        const { namespace } = object.metadata
        const scope = compile(keyOf(object), object)
        scopes.set(keyOf(object), scope)
        findings.push(...ingressFindings(object, scope, draft.workloads.values()))
        if (scope.workloadLabels !== undefined) continue
        const winner = general.get(namespace)
        if (winner === undefined) general.set(namespace, object)
        else {
          const named = `Sidecar ${winner.metadata.namespace}/${winner.metadata.name}`
          findings.push(finding('LTN0205', object, '', { what: `namespace '${namespace}'`, winner: named }))
        }
      }
      return { sidecars: scopes, findings }
    }
  },
})

function scopeOf(object: Sidecar): SidecarScope {
  const { spec, metadata } = object
  const { namespace } = metadata
  const labels = spec.workloadSelector?.labels ?? {}
  const written = (spec.egress ?? []).map(({ port, hosts }) => ({
    port: port?.number,
    hosts: hosts.filter((host) => !isExclusion(host)).flatMap((host) => patternOf(host, namespace)),
  }))
  const excluded = (spec.egress ?? []).flatMap(({ hosts }) => hosts.filter(isExclusion))
  const { mode, egressProxy } = spec.outboundTrafficPolicy ?? {}
  return {
    namespace,
    workloadLabels: Object.keys(labels).length === 0 ? undefined : labels,
    imports: spec.egress === undefined ? undefined : written,
    exclusions: excluded.flatMap((host) => patternOf(host.slice(1), namespace)),
    outboundTraffic: mode === undefined ? undefined : mode === 'REGISTRY_ONLY' ? 'registry-only' : 'allow-any',
    egressProxy: egressProxyOf(egressProxy),
    ...inboundOf(object),
    origin: originOf(object),
  }
}

/** With its full name and a port; validation says so. */
function egressProxyOf(written: Destination | undefined): SidecarScope['egressProxy'] {
  const port = written?.port?.number
  if (written === undefined || port === undefined) return undefined
  return { host: written.host.toLowerCase(), port, subset: written.subset === '' ? undefined : written.subset }
}

/** `~namespace/name`: not that after all. `~/*` is no exclusion, it imports nothing. */
function isExclusion(host: string): boolean {
  return host.startsWith('~') && !host.startsWith('~/')
}

/** `./*` is the object's own namespace; `~/*` nothing. */
function patternOf(text: string, own: string): readonly HostPattern[] {
  const slash = text.indexOf('/')
  const namespace = slash === -1 ? '*' : text.slice(0, slash)
  if (namespace === '~') return []
  return [{ namespace: namespace === '.' ? own : namespace, host: text.slice(slash + 1).toLowerCase() }]
}
