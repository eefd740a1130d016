// A pod with its proxy. Pure: pod in, pod out. Called by the webhook, which answers with the difference, and by kube-inject.
// Invariant: injecting an injected pod gives the same pod (restore.ts), and what cannot be done as asked is a warning or a refusal.

import { fail, type Problem, type Result, succeed } from '../base/result.ts'
import { suggest } from '../base/suggest.ts'
import type { AgentSettings } from '../envoy/agent-settings.ts'
import { withAccountToken } from './account-token.ts'
import { type ChangedContainers, changeContainers } from './change-containers.ts'
import { doubtsAbout } from './doubts.ts'
import { INIT_CONTAINER, initContainer } from './init-container.ts'
import type { InjectorConfig } from './injector-config.ts'
import { type MergedMetrics, mergeMetrics } from './merge-metrics.ts'
import { overlay } from './overlay.ts'
import { ownProxies, withOwnFields } from './own-proxy.ts'
import { type Workload, workloadOf } from './owner.ts'
import { type AddedContainers, placeContainers } from './place-containers.ts'
import type { Json, Pod, PodSpec, Volume } from './pod.ts'
import { addedAnnotations, addedLabels, STATUS_ANNOTATION } from './pod-labels.ts'
import type { PodSettings } from './pod-settings.ts'
import { initAwaitsProxy, PROXY_NAMES, type ProxyKind, proxyContainer } from './proxy-container.ts'
import { proxyEnv } from './proxy-env.ts'
import {
  applyChanges,
  type InjectionStatus,
  OVERRIDES_ANNOTATION,
  originalTexts,
  RESTORE_ANNOTATION,
  restorePod,
  type TextChanges,
  writeRestore,
} from './restore.ts'
import { settlePod } from './settle-pod.ts'
import { PLACES, proxyVolumes } from './volumes.ts'

export interface InjectInput {
  readonly pod: Pod
  readonly namespace: string
  readonly config: InjectorConfig
  /** MeshConfig's defaultConfig. */
  readonly meshDefaults: Json
  /** Whether every node of the cluster has native sidecars. */
  readonly nativeSidecars: boolean
  /** Of the proxy: this program's. */
  readonly version: string
  /** Where the pod has no controller yet: a template's workload. */
  readonly workload?: Workload
}

export interface InjectedPod {
  readonly pod: Pod
  readonly warnings: readonly string[]
}

export function injectPod(input: InjectInput): Result<InjectedPod> {
  const restored = restorePod(input.pod)
  if (!restored.ok) return restored
  const pod = restored.value
  const settled = settlePod(pod, input.config, input.meshDefaults)
  if (!settled.ok) return settled
  const { settings, warnings } = settled.value
  const kind = kindOf(settings, input)
  if (!kind.ok) return kind
  // As if their pieces stood in the pod: a template's container of the proxy's name is laid over ours like the pod's own.
  const templated = settings.templates.reduce((each, name) => overlay(each, settings.config.templates[name] ?? {}), pod)
  const metrics = mergeMetrics(templated.metadata.annotations ?? {}, settings)
  if (metrics.problem !== undefined) return fail('metadata.annotations', metrics.problem)
  const workload = input.workload ?? workloadOf(templated)
  const made = assemble({ ...input, pod: templated, settings, kind: kind.value, metrics, workload, overrides: ownProxies(pod) })
  return checkNames(made.pod, [...warnings, ...made.warnings])
}

/** Template names that are not a piece of the configuration. */
const BUILT_IN = ['sidecar', 'gateway']

function kindOf({ templates, config }: PodSettings, { nativeSidecars }: InjectInput): Result<ProxyKind> {
  const known = [...BUILT_IN, ...Object.keys(config.templates)]
  const unknown = templates.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    const close = suggest(unknown, known)
    const hint = close === undefined ? `there are ${[...new Set(known)].join(', ')}` : `did you mean '${close}'?`
    return fail('annotation inject.istio.io/templates', `names '${unknown}', which is no template; ${hint}`)
  }
  if (templates.includes('gateway') && templates.includes('sidecar'))
    return fail('annotation inject.istio.io/templates', 'names sidecar and gateway; a pod has one proxy')
  if (templates.includes('gateway')) return succeed('gateway')
  const native = config.nativeSidecar === 'auto' ? nativeSidecars : config.nativeSidecar === 'true'
  return succeed(native ? 'native' : 'classic')
}

interface Assembly extends InjectInput {
  readonly settings: PodSettings
  readonly kind: ProxyKind
  readonly metrics: MergedMetrics
  readonly workload: Workload
  readonly overrides: Json | undefined
}

function assemble(assembly: Assembly): InjectedPod {
  const { pod, settings, kind, metrics, workload, overrides } = assembly
  const { labels = {}, annotations = {} } = pod.metadata
  const changed = changeContainers(pod, settings, kind)
  const captured = kind === 'gateway' || settings.config.capture === 'init'
  const newLabels = addedLabels(labels, workload, captured)
  const texts: TextChanges = { ...addedAnnotations(annotations, settings, kind, changed.applications), ...metrics.annotations }
  const added = addedParts(assembly, changed, { ...labels, ...newLabels })
  const restore = writeRestore({
    labels: originalTexts(labels, newLabels),
    annotations: originalTexts(annotations, texts),
    probes: changed.originals,
    env: changed.env,
    ...(kind === 'gateway' ? { securityContext: pod.spec.securityContext ?? null } : {}),
  })
  const marks: TextChanges = {
    ...(overrides === undefined ? {} : { [OVERRIDES_ANNOTATION]: JSON.stringify(overrides) }),
    [STATUS_ANNOTATION]: JSON.stringify(statusOf(pod, kind, added, settings.config)),
    [RESTORE_ANNOTATION]: restore,
  }
  const metadata = { ...pod.metadata, labels: { ...labels, ...newLabels }, annotations: applyChanges(annotations, { ...texts, ...marks }) }
  return {
    pod: { ...pod, metadata, spec: specWith(pod, added, changed, assembly) },
    warnings: [...changed.warnings, ...metrics.warnings, ...doubtsAbout(pod, settings, kind, workload, changed.applications)],
  }
}

interface AddedParts extends AddedContainers {
  readonly volumes: readonly Volume[]
}

function addedParts(assembly: Assembly, { probes }: ChangedContainers, labels: Readonly<Record<string, string>>): AddedParts {
  const { pod, settings, kind, metrics, workload, namespace, version } = assembly
  const { config } = settings
  const { statusPort, healthPort, prometheusPort } = config
  const agent: AgentSettings = {
    ...{ statusPort, healthPort, prometheusPort, probes },
    ...(metrics.scrape === undefined ? {} : { scrape: metrics.scrape }),
    podInfo: PLACES.podInfo,
    ...(kind === 'native' ? { nativeSidecar: true } : {}),
  }
  const role = kind === 'gateway' ? 'router' : 'sidecar'
  const ports = pod.spec.containers.flatMap(({ ports: declared = [] }) => declared)
  const proxy = proxyContainer(kind, settings, proxyEnv({ settings, role, namespace, labels, workload, ports, agent, version }))
  const captures = kind !== 'gateway' && config.capture === 'init'
  const init = initContainer(settings, initAwaitsProxy(kind, config))
  return {
    proxy: withAccountToken(withOwnFields(proxy, PROXY_NAMES, pod), pod),
    init: captures ? withAccountToken(withOwnFields(init, [INIT_CONTAINER], pod), pod) : undefined,
    volumes: [...proxyVolumes(config), ...settings.userVolumes],
  }
}

function specWith(pod: Pod, added: AddedParts, changed: ChangedContainers, { kind, settings }: Assembly): PodSpec {
  const { config } = settings
  const own = (pod.spec.volumes ?? []).filter(({ name }) => !added.volumes.some((each) => each.name === name))
  const secrets = newSecrets(pod, config).map((name) => ({ name }))
  return {
    ...pod.spec,
    ...placeContainers(kind, added, changed.applications, changed.early, config.holdApplicationUntilProxyStarts),
    volumes: [...own, ...added.volumes],
    ...(secrets.length === 0 ? {} : { imagePullSecrets: [...(pod.spec.imagePullSecrets ?? []), ...secrets] }),
    ...(kind === 'gateway' ? { securityContext: lowPorts(pod.spec.securityContext ?? {}) } : {}),
  }
}

function statusOf(pod: Pod, kind: ProxyKind, { proxy, init, volumes }: AddedParts, config: InjectorConfig): InjectionStatus {
  return {
    initContainers: [...(init === undefined ? [] : [init.name]), ...(kind === 'native' ? [proxy.name] : [])],
    containers: kind === 'native' ? [] : [proxy.name],
    volumes: volumes.map(({ name }) => name),
    imagePullSecrets: newSecrets(pod, config),
    revision: config.revision,
  }
}

function newSecrets({ spec }: Pod, { imagePullSecrets }: InjectorConfig): readonly string[] {
  return imagePullSecrets.filter((name) => !spec.imagePullSecrets?.some((each) => each.name === name))
}

/** A gateway listens on 80 and 443 without rights: a safe sysctl, allowed by every Pod Security level. */
function lowPorts(context: Json): Json {
  const name = 'net.ipv4.ip_unprivileged_port_start'
  const sysctls = Array.isArray(context.sysctls) ? context.sysctls : []
  return sysctls.some((each: Json) => each.name === name) ? context : { ...context, sysctls: [...sysctls, { name, value: '0' }] }
}

/** The API server would refuse it with fewer words. */
function checkNames(pod: Pod, warnings: readonly string[]): Result<InjectedPod> {
  const names = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].map(({ name }) => name)
  const problems: Problem[] = names
    .filter((name, index) => names.indexOf(name) !== index)
    .map((name) => ({ path: 'spec.containers', message: `two containers would have the name ${name}; rename the pod's own` }))
  return problems.length > 0 ? { ok: false, problems } : succeed({ pod, warnings })
}
