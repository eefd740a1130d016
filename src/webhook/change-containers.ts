// What injection changes in the pod's own containers: probes that go to the agent, or variables that name the proxy. Pure.
import type { AgentProbe } from '../envoy/agent-settings.ts'
import { explicitProxy } from './explicit-proxy.ts'
import { withoutProxy } from './own-proxy.ts'
import type { Container, Json, Pod } from './pod.ts'
import type { PodSettings } from './pod-settings.ts'
import { rewriteProbes } from './probes.ts'
import type { ProxyKind } from './proxy-container.ts'

export interface ChangedContainers {
  readonly applications: readonly Container[]
  readonly early: readonly Container[]
  readonly probes: Readonly<Record<string, AgentProbe>>
  /** Container -> probe fields as they were. */
  readonly originals: Readonly<Record<string, Json>>
  /** Container -> names of variables that were added. */
  readonly env: Readonly<Record<string, readonly string[]>>
  readonly warnings: readonly string[]
}

export function changeContainers({ spec }: Pod, { config }: PodSettings, kind: ProxyKind): ChangedContainers {
  const captured = kind !== 'gateway' && config.capture === 'init'
  const rewrite = captured && config.rewriteProbes && config.statusPort !== 0
  const change = (container: Container) => {
    if (rewrite) return { ...rewriteProbes(container, config.statusPort), env: [] }
    if (kind !== 'gateway' && !captured) return { ...explicitProxy(container), probes: {}, originals: {} }
    return { container, probes: {}, originals: {}, env: [], warnings: [] }
  }
  const applications = withoutProxy(spec.containers).map(change)
  const early = withoutProxy(spec.initContainers).map(change)
  const all = [...applications, ...early]
  return {
    applications: applications.map(({ container }) => container),
    early: early.map(({ container }) => container),
    probes: Object.assign({}, ...all.map(({ probes }) => probes)),
    originals: Object.fromEntries(
      all.flatMap((each) => (Object.keys(each.originals).length === 0 ? [] : [[each.container.name, each.originals]])),
    ),
    env: Object.fromEntries(all.flatMap((each) => (each.env.length === 0 ? [] : [[each.container.name, each.env]]))),
    warnings: all.flatMap(({ warnings }) => warnings),
  }
}
