// One pod that the API server asks about: decide, inject, answer. Called by server.ts. No side effect but counters and a log line, so a dry
// run needs nothing special. Invariant: a pod that cannot be injected as asked is refused with a sentence, never let through without a proxy.
import type { Logger } from '../base/log.ts'
import { formatProblems } from '../base/result.ts'
import type { AdmissionAnswer, AdmissionRequest } from './admission.ts'
import { decideInjection } from './decide.ts'
import { injectPod } from './inject.ts'
import type { InjectorConfig } from './injector-config.ts'
import { jsonPatch } from './json-patch.ts'
import { type Json, type Pod, readPod } from './pod.ts'
import type { WebhookMetrics } from './webhook-metrics.ts'

export interface InjectionSources {
  readonly config: () => InjectorConfig
  /** MeshConfig's defaultConfig, as it is now. */
  readonly meshDefaults: () => Json
  /** Whether every node has native sidecars (native-sidecars.ts). */
  readonly nativeSidecars: () => boolean
  readonly version: string
}

export interface ReviewContext extends InjectionSources {
  readonly metrics: WebhookMetrics
  readonly log: Logger
}

/** @param path what follows /inject: pairs of a name and a value, as Istio's multi-cluster installations configure them. */
export function reviewPod(request: AdmissionRequest, path: Json, context: ReviewContext): AdmissionAnswer {
  const { metrics, log } = context
  metrics.request()
  const read = readPod(request.object)
  if (!read.ok) return refuse(`the pod cannot be read: ${formatProblems(read.problems)}`, request, context)
  const pod = read.value
  // Controllers create pods without a namespace of their own; the request has it.
  const namespace = request.namespace !== '' ? request.namespace : (pod.metadata.namespace ?? 'default')
  const config = { ...context.config(), ...path }
  // The API server has asked the namespace's labels (the webhook's selectors), and knows them better than any informer of ours: a pod that
  // is made right after its namespace was labelled must not be let through because we have not heard of it.
  const decided = decideInjection({ pod, namespace, namespaceLabels: undefined, rules: config })
  const who = { pod: nameOf(pod), namespace, dryRun: request.dryRun }
  if (!decided.inject) {
    metrics.skipped(decided.reason)
    log.info('pod not injected', { ...who, reason: decided.reason, because: decided.sentence })
    return { allowed: true, warnings: decided.warnings }
  }
  const made = injectPod({
    ...{ pod, namespace, config, meshDefaults: context.meshDefaults(), nativeSidecars: context.nativeSidecars(), version: context.version },
  })
  if (!made.ok) return refuse(`the sidecar cannot be injected: ${formatProblems(made.problems)}`, request, context)
  metrics.injected()
  const warnings = [...decided.warnings, ...made.value.warnings]
  log.info('pod injected', { ...who, reason: decided.reason, warnings: warnings.length })
  return { allowed: true, patch: jsonPatch(pod, made.value.pod), warnings }
}

function refuse(message: string, { namespace, object }: AdmissionRequest, { metrics, log }: ReviewContext): AdmissionAnswer {
  metrics.failed()
  const read = readPod(object)
  log.warn('pod refused', { namespace, ...(read.ok ? { pod: nameOf(read.value) } : {}), because: message })
  return { allowed: false, code: 400, message }
}

export function nameOf({ metadata: { name, generateName } }: Pod): string {
  return name ?? (generateName === undefined ? '' : `${generateName}*`)
}
