// Whether a pod is injected, and why: Istio's decision table. Pure; asked by the webhook, by kube-inject and by `lateen inject check`, so
// that what a person is told is what happened. Invariant: every answer has a code (a counter's label) and a sentence (log and CLI).
import type { Pod, Texts } from './pod.ts'

export type InjectReason =
  | 'host-network'
  | 'system-namespace'
  | 'namespace-disabled'
  | 'namespace-not-enabled'
  | 'other-revision'
  | 'pod-opted-out'
  | 'pod-opted-in'
  | 'never-selector'
  | 'always-selector'
  | 'policy-disabled'
  | 'policy-enabled'

export interface InjectDecision {
  readonly inject: boolean
  readonly reason: InjectReason
  readonly sentence: string
  /** What was written and means nothing. */
  readonly warnings: readonly string[]
}

export interface LabelSelector {
  readonly matchLabels?: Texts
  readonly matchExpressions?: readonly LabelExpression[]
}

export interface LabelExpression {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  readonly values?: readonly string[]
}

export interface DecisionRules {
  readonly policy: 'enabled' | 'disabled'
  readonly neverInjectSelector: readonly LabelSelector[]
  readonly alwaysInjectSelector: readonly LabelSelector[]
  /** This control plane's own name, and the tags that point to it. */
  readonly revision: string
  readonly revisionTags: readonly string[]
  readonly enableNamespacesByDefault: boolean
}

export interface DecisionInput {
  readonly pod: Pod
  readonly namespace: string
  /** Undefined: not known; the API server has asked the namespace's labels already (the webhook's selectors say the same). */
  readonly namespaceLabels: Texts | undefined
  readonly rules: DecisionRules
}

export const SYSTEM_NAMESPACES: readonly string[] = ['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage']
export const INJECT_LABEL = 'sidecar.istio.io/inject'
export const REVISION_LABEL = 'istio.io/rev'
/** Either switches a namespace on; either switches it off. */
export const ISTIO_LABEL = 'istio-injection'
export const LATEEN_LABEL = 'lateen.dev/injection'

export function decideInjection(input: DecisionInput): InjectDecision {
  const { pod, namespace } = input
  const warnings: string[] = []
  const decided =
    neverPossible(pod, namespace) ?? byNamespace(input, wish(pod, warnings)) ?? byPod(wish(pod, [])) ?? bySelector(pod, input.rules)
  return { ...decided, warnings }
}

type Decided = Omit<InjectDecision, 'warnings'>

const yes = (reason: InjectReason, sentence: string): Decided => ({ inject: true, reason, sentence })
const no = (reason: InjectReason, sentence: string): Decided => ({ inject: false, reason, sentence })

function neverPossible(pod: Pod, namespace: string): Decided | undefined {
  if (pod.spec.hostNetwork === true)
    return no(
      'host-network',
      "the pod uses the node's network (spec.hostNetwork), where redirecting connections would hit every other process",
    )
  if (SYSTEM_NAMESPACES.includes(namespace))
    return no('system-namespace', `the namespace ${namespace} belongs to Kubernetes and is never injected`)
  return undefined
}

/** What the pod itself asks for: its label, else the annotation of the same name. */
function wish(pod: Pod, warnings: string[]): boolean | undefined {
  const label = pod.metadata.labels?.[INJECT_LABEL]
  const text = label ?? pod.metadata.annotations?.[INJECT_LABEL]
  if (text === undefined) return undefined
  if (text === 'true' || text === 'false') return text === 'true'
  warnings.push(
    `the ${label === undefined ? 'annotation' : 'label'} ${INJECT_LABEL} is '${text}', which is neither true nor false, and is ignored`,
  )
  return undefined
}

/** The webhook's selectors, for whoever was not called through them. Undefined: the namespace leaves it to the pod and the policy. */
function byNamespace({ pod, namespace, namespaceLabels, rules }: DecisionInput, wished: boolean | undefined): Decided | undefined {
  if (namespaceLabels === undefined) return undefined
  const [ours, theirs] = [LATEEN_LABEL, ISTIO_LABEL].map((key) => namespaceLabels[key])
  const has = (key: string): string => `the namespace ${namespace} has the label ${key}=${namespaceLabels[key]}`
  if (theirs !== undefined && theirs !== 'enabled') return no('namespace-disabled', has(ISTIO_LABEL))
  if (ours !== undefined && ours !== 'enabled') return no('namespace-disabled', has(LATEEN_LABEL))
  if (theirs === 'enabled') return otherRevision('default', rules, has(ISTIO_LABEL))
  const namespaceRevision = namespaceLabels[REVISION_LABEL]
  if (namespaceRevision !== undefined) return otherRevision(namespaceRevision, rules, has(REVISION_LABEL))
  if (ours === 'enabled') return otherRevision('default', rules, has(LATEEN_LABEL))
  const podRevision = pod.metadata.labels?.[REVISION_LABEL]
  if (podRevision !== undefined) return otherRevision(podRevision, rules, `the pod has the label ${REVISION_LABEL}=${podRevision}`)
  if (pod.metadata.labels?.[INJECT_LABEL] === 'true')
    return otherRevision('default', rules, `the pod has the label ${INJECT_LABEL}=true and names no revision`)
  if (rules.enableNamespacesByDefault) return otherRevision('default', rules, 'namespaces are enabled by default')
  if (wished === false) return undefined
  return no(
    'namespace-not-enabled',
    `neither the namespace ${namespace} nor the pod asks for it; run: kubectl label namespace ${namespace} istio-injection=enabled`,
  )
}

function otherRevision(asked: string, { revision, revisionTags }: DecisionRules, because: string): Decided | undefined {
  if (asked === revision || revisionTags.includes(asked)) return undefined
  return no('other-revision', `${because}, which is the business of revision '${asked}'; this one is '${revision}'`)
}

function byPod(wished: boolean | undefined): Decided | undefined {
  if (wished === undefined) return undefined
  if (wished) return yes('pod-opted-in', `the pod has ${INJECT_LABEL}=true`)
  return no('pod-opted-out', `the pod has ${INJECT_LABEL}=false`)
}

function bySelector(pod: Pod, { neverInjectSelector, alwaysInjectSelector, policy }: DecisionRules): Decided {
  const labels = pod.metadata.labels ?? {}
  const selected = (selectors: readonly LabelSelector[]): LabelSelector | undefined => selectors.find((each) => selects(each, labels))
  const never = selected(neverInjectSelector)
  if (never !== undefined) return no('never-selector', `the pod's labels match neverInjectSelector ${JSON.stringify(never)}`)
  const always = selected(alwaysInjectSelector)
  if (always !== undefined) return yes('always-selector', `the pod's labels match alwaysInjectSelector ${JSON.stringify(always)}`)
  if (policy === 'disabled')
    return no('policy-disabled', `the injector's policy is 'disabled': only pods with the label ${INJECT_LABEL}=true are injected`)
  return yes('policy-enabled', 'the namespace is enabled and nothing excludes the pod')
}

/** Kubernetes' rules, but an empty selector matches nothing: it would inject, or stop injecting, everything by a slip of the pen. */
export function selects({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Texts): boolean {
  const wanted = Object.entries(matchLabels)
  if (wanted.length + matchExpressions.length === 0) return false
  return wanted.every(([key, value]) => labels[key] === value) && matchExpressions.every((each) => holds(each, labels[each.key]))
}

function holds({ operator, values = [] }: LabelExpression, label: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return label !== undefined && values.includes(label)
    case 'NotIn':
      return label === undefined || !values.includes(label)
    case 'Exists':
      return label !== undefined
    case 'DoesNotExist':
      return label === undefined
  }
}
