// What each workload accepts: PeerAuthentication of the workload, else of its namespace, else of the mesh, else permissive (Istio's
// order). Ports are workload ports. After workloads, before endpoints.
// Invariant: a mode that is not understood counts as STRICT: plaintext is never let in by a slip of the pen.
import { type Finding, finding } from '../../api/finding.ts'
import type { MutualTLS, PeerAuthentication } from '../../api/generated/peer-authentication.gen.ts'
import { hasLabels } from '../../model/destination-policy.ts'
import type { ServerTls, Workload } from '../../model/workload.ts'
import { byAge, originOf } from './mesh-draft.ts'
import { definePass } from './pass.ts'
import { Remembered } from './remembered.ts'

type Mode = ServerTls['mode']

interface Policies {
  /** Without a selector, by namespace. */
  readonly general: ReadonlyMap<string, PeerAuthentication>
  /** With one, by namespace, oldest first. */
  readonly selecting: ReadonlyMap<string, readonly PeerAuthentication[]>
}

const DEFAULT_TLS: ServerTls = { mode: 'permissive', because: undefined }

export const peerAuthentication = definePass({
  kinds: ['PeerAuthentication'],
  reads: ['workloads'],
  create: () => {
    const protectedBy = new Remembered(withTls)
    return ({ objects, draft, settings }) => {
      const oldestFirst = [...objects.PeerAuthentication.values()].sort(byAge)
      const { policies, findings } = sortPolicies(oldestFirst, settings.rootNamespace)
      const ofMesh = policies.general.get(settings.rootNamespace)
      const protect = protectedBy.round()
      const workloads = new Map<string, Workload>()
      for (const [key, workload] of draft.workloads) {
        const { namespace } = workload
        const selecting = policies.selecting.get(namespace) ?? NONE
        workloads.set(key, protect(key, workload, selecting, policies.general.get(namespace), ofMesh))
      }
      return { workloads, findings }
    }
  },
})

const NONE: readonly PeerAuthentication[] = []

function sortPolicies(
  oldestFirst: readonly PeerAuthentication[],
  rootNamespace: string,
): { readonly policies: Policies; readonly findings: readonly Finding[] } {
  const findings: Finding[] = []
  const general = new Map<string, PeerAuthentication>()
  const selecting: PeerAuthentication[] = []
  for (const policy of oldestFirst) {
    const { namespace } = policy.metadata
    if (selects(policy)) {
      // Istio ignores these: a selector of the root namespace could only mean the root namespace's own pods.
      if (namespace === rootNamespace) findings.push(finding('LTN0206', policy, 'spec.selector', { namespace }))
      else selecting.push(policy)
      continue
    }
    const winner = general.get(namespace)
    if (winner === undefined) general.set(namespace, policy)
    else findings.push(conflict(policy, winner))
  }
  return { policies: { general, selecting: Map.groupBy(selecting, ({ metadata }) => metadata.namespace) }, findings }
}

function selects(policy: PeerAuthentication): boolean {
  return Object.keys(policy.spec.selector?.matchLabels ?? {}).length > 0
}

function conflict(loser: PeerAuthentication, winner: PeerAuthentication): Finding {
  const { namespace, name } = winner.metadata
  return finding('LTN0205', loser, '', { what: `namespace '${namespace}'`, winner: `PeerAuthentication ${namespace}/${name}` })
}

/** All of them in force where the workload is: those of its namespace that select somebody, the one for all of it, the mesh's. */
function withTls(
  workload: Workload,
  selecting: readonly PeerAuthentication[],
  ofNamespace: PeerAuthentication | undefined,
  ofMesh: PeerAuthentication | undefined,
): Workload {
  const own = selecting.find(({ spec }) => hasLabels(workload.labels, spec.selector?.matchLabels ?? {}))
  const general = tlsOf(own, own?.spec.mtls, 'spec.mtls.mode') ?? namespaceTls(ofNamespace) ?? namespaceTls(ofMesh) ?? DEFAULT_TLS
  const ports = workload.ports.map((port) => {
    const level = own?.spec.portLevelMtls?.[String(port.number)]
    return { ...port, tls: tlsOf(own, level, `spec.portLevelMtls.${port.number}.mode`) ?? general }
  })
  const levels = Object.entries(own?.spec.portLevelMtls ?? {}).flatMap(([number, level]) => {
    const tls = workload.ports.some((port) => String(port.number) === number)
      ? undefined
      : tlsOf(own, level, `spec.portLevelMtls.${number}.mode`)
    return tls === undefined ? [] : [[number, tls] as const]
  })
  return { ...workload, ports, otherPortsTls: general, ...(levels.length === 0 ? {} : { otherPortLevels: Object.fromEntries(levels) }) }
}

function namespaceTls(policy: PeerAuthentication | undefined): ServerTls | undefined {
  return tlsOf(policy, policy?.spec.mtls, 'spec.mtls.mode')
}

/** Undefined: inherit. */
function tlsOf(policy: PeerAuthentication | undefined, level: MutualTLS | undefined, field: string): ServerTls | undefined {
  const mode = modeOf(level?.mode)
  return policy === undefined || mode === undefined ? undefined : { mode, because: { object: originOf(policy), field } }
}

function modeOf(mode: string | undefined): Mode | undefined {
  if (mode === undefined || mode === 'UNSET') return undefined
  if (mode === 'PERMISSIVE') return 'permissive'
  return mode === 'DISABLE' ? 'disable' : 'strict'
}
