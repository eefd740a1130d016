// Objects against each other, for people: called by `lateen analyze` and by the control plane when Findings are shown, not on the way of
// a change to the proxies. Invariant: pure, and bounded: no check looks at all pairs of objects.
import type { Finding } from '../../api/finding.ts'
import { unsuppressed } from '../../api/suppression.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { KubeState } from '../ingest/kube-state.ts'
import { withoutPauses } from '../ingest/with-pauses.ts'
import { checks } from './checks.ts'
import { meshFacts } from './mesh-facts.ts'

/** In the order of the checks, within a check in the order of objects. */
export function analyzeMesh(state: KubeState, settings: MeshSettings): readonly Finding[] {
  return withoutPauses(analyzeSteps(state, settings))
}

/** The same check by check, for a thread that has other things to do. */
export function* analyzeSteps(state: KubeState, settings: MeshSettings): Generator<number, readonly Finding[]> {
  const facts = meshFacts(state, settings)
  const findings: Finding[] = []
  for (const check of checks) {
    yield 1
    for (const found of check(facts)) findings.push(found)
  }
  return unsuppressed(findings, state.objects)
}
