// What each workload accepts: PeerAuthentication of the workload, else of its namespace, else of the mesh, else permissive (Istio's
// order). Ports are workload ports. After workloads, before endpoints.
// Invariant: a mode that is not understood counts as STRICT: plaintext is never let in by a slip of the pen.
import { type Finding, finding } from '../../api/finding.ts'
import type { MutualTLS, PeerAuthentication } from '../../api/generated/peer-authentication.gen.ts'
import { hasLabels } from '../../model/destination-policy.ts'
import type { ServerTls, Workload } from '../../model/workload.ts'
import type { CompileInput } from './compile-input.ts'
import { byAge, type MeshDraft, originOf } from './mesh-draft.ts'

type Mode = ServerTls['mode']

interface Policies {
  readonly mesh: PeerAuthentication | undefined
  readonly byNamespace: ReadonlyMap<string, PeerAuthentication>
  /** With a selector, oldest first. */
  readonly selecting: readonly PeerAuthentication[]
}

const DEFAULT_TLS: ServerTls = { mode: 'permissive', because: undefined }

export function peerAuthentication(draft: MeshDraft, input: CompileInput): readonly Finding[] {
  const { policies, findings } = sortPolicies(
    [...input.state.objects.PeerAuthentication.values()].sort(byAge),
    input.settings.rootNamespace,
  )
  for (const [key, workload] of draft.workloads) draft.workloads.set(key, withTls(workload, policies))
  return findings
}

function sortPolicies(
  oldestFirst: readonly PeerAuthentication[],
  rootNamespace: string,
): { readonly policies: Policies; readonly findings: readonly Finding[] } {
  const findings: Finding[] = []
  const byNamespace = new Map<string, PeerAuthentication>()
  const selecting: PeerAuthentication[] = []
  for (const policy of oldestFirst) {
    const { namespace } = policy.metadata
    if (selects(policy)) {
      // Istio ignores these: a selector of the root namespace could only mean the root namespace's own pods.
      if (namespace === rootNamespace) findings.push(finding('LTN0206', policy, 'spec.selector', { namespace }))
      else selecting.push(policy)
      continue
    }
    const winner = byNamespace.get(namespace)
    if (winner === undefined) byNamespace.set(namespace, policy)
    else findings.push(conflict(policy, winner))
  }
  return { policies: { mesh: byNamespace.get(rootNamespace), byNamespace, selecting }, findings }
}

function selects(policy: PeerAuthentication): boolean {
  return Object.keys(policy.spec.selector?.matchLabels ?? {}).length > 0
}

function conflict(loser: PeerAuthentication, winner: PeerAuthentication): Finding {
  const { namespace, name } = winner.metadata
  return finding('LTN0205', loser, '', { what: `namespace '${namespace}'`, winner: `PeerAuthentication ${namespace}/${name}` })
}

function withTls(workload: Workload, policies: Policies): Workload {
  const own = policies.selecting.find(
    ({ metadata, spec }) => metadata.namespace === workload.namespace && hasLabels(workload.labels, spec.selector?.matchLabels ?? {}),
  )
  const general =
    tlsOf(own, own?.spec.mtls, 'spec.mtls.mode') ??
    namespaceTls(policies.byNamespace.get(workload.namespace)) ??
    namespaceTls(policies.mesh) ??
    DEFAULT_TLS
  const ports = workload.ports.map((port) => {
    const level = own?.spec.portLevelMtls?.[String(port.number)]
    return { ...port, tls: tlsOf(own, level, `spec.portLevelMtls.${port.number}.mode`) ?? general }
  })
  return { ...workload, ports, otherPortsTls: general }
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
