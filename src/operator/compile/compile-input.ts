// Everything that compile reads, as values. Assembled by the control plane's loop; a test writes one down.
// Invariant: what is not in here cannot influence the mesh: no clock, no environment, no I/O.
import type { RegexCompiler } from '../../base/string-matcher.ts'
import type { AddressPlan } from '../../model/address-plan.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { KubeState } from '../ingest/kube-state.ts'

export interface CompileInput {
  readonly state: KubeState
  readonly settings: MeshSettings
  /** Where workloads and their sidecars listen. A workload without an address is not part of the mesh yet. */
  readonly addresses: AddressPlan
  /** 'bind': sidecars listen on the plan's addresses. 'redirect': the kernel hands over every connection (iptables). */
  readonly capture: 'bind' | 'redirect'
  /** `namespace/name` of the workloads that answer. */
  readonly ready: ReadonlySet<string>
  /** Judges patterns before a proxy has to refuse them. */
  readonly compileRegex: RegexCompiler
}
