// A pod with its proxy. Pure: pod in, pod out. Called by the webhook, which answers with the difference, and by kube-inject.
// Invariant: injecting an injected pod gives the same pod (restore.ts), and what cannot be done as asked is a warning or a refusal.

import { fail, type Problem, type Result, succeed } from '../base/result.ts'
import { suggest } from '../base/suggest.ts'
import { doubtsAbout } from './doubts.ts'
import { explicitProxy } from './explicit-proxy.ts'
import { INIT_CONTAINER, initContainer } from './init-container.ts'
import type { InjectorConfig } from './injector-config.ts'
import { mergeMetrics } from './merge-metrics.ts'
import { overlay } from './overlay.ts'
import { type Workload, workloadOf } from './owner.ts'
import { placeContainers } from './place-containers.ts'
import type { Container, Json, Pod, Texts } from './pod.ts'
import { addedAnnotations, addedLabels, STATUS_ANNOTATION } from './pod-labels.ts'
import { type PodSettings, settlePod } from './pod-settings.ts'
import { rewriteProbes } from './probes.ts'
import { PROXY_NAMES, type ProxyKind, proxyContainer } from './proxy-container.ts'
import { proxyEnv } from './proxy-env.ts'
import { type InjectionStatus, OVERRIDES_ANNOTATION, RESTORE_ANNOTATION, type Restore, restorePod } from './restore.ts'
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
  return assemble(templated, ownProxies(pod), settings, kind.value, input, warnings)
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

function assemble(
  pod: Pod,
  overrides: Json | undefined,
  settings: PodSettings,
  kind: ProxyKind,
  input: InjectInput,
  settledWarnings: readonly string[],
): Result<InjectedPod> {
  const { config } = settings
  const { labels = {}, annotations = {} } = pod.metadata
  const workload = input.workload ?? workloadOf(pod)
  const captured = kind !== 'gateway' && config.capture === 'init'
  const applications = withoutProxy(pod.spec.containers)
  const rewrite = captured && config.rewriteProbes && config.statusPort !== 0
  const [main, early] = [applications, withoutProxy(pod.spec.initContainers)].map((list) =>
    changeContainers(list, settings, rewrite, kind !== 'gateway' && !captured),
  )
  if (main === undefined || early === undefined) return fail('', 'a list of containers was lost')
  const changes = [...main, ...early]
  const metrics = mergeMetrics(annotations, settings)
  if (metrics.problem !== undefined) return fail('metadata.annotations', metrics.problem)
  const newLabels = addedLabels(labels, workload, captured || kind === 'gateway')
  const agent = {
    statusPort: config.statusPort,
    healthPort: config.healthPort,
    prometheusPort: config.prometheusPort,
    probes: Object.assign({}, ...changes.map(({ probes }) => probes)),
    ...(metrics.scrape === undefined ? {} : { scrape: metrics.scrape }),
    podInfo: PLACES.podInfo,
    ...(kind === 'native' ? { nativeSidecar: true } : {}),
  }
  const allLabels = { ...labels, ...newLabels }
  const env = proxyEnv({
    ...{ settings, role: kind === 'gateway' ? 'router' : 'sidecar', namespace: input.namespace, labels: allLabels, workload },
    ...{ ports: pod.spec.containers.flatMap(({ ports = [] }) => ports), agent, version: input.version },
  })
  const proxy = proxyContainer(kind, settings, env)
  const added = {
    proxy: overrideWith(proxy, pod),
    init: captured ? overrideWithInit(initContainer(settings), pod) : undefined,
    volumes: [...proxyVolumes(config), ...settings.userVolumes],
  }
  const spec = {
    ...pod.spec,
    ...placeContainers(
      kind,
      added,
      main.map(({ container }) => container),
      early.map(({ container }) => container),
      config.holdApplicationUntilProxyStarts,
    ),
    volumes: [...(pod.spec.volumes ?? []).filter(({ name }) => !added.volumes.some((own) => own.name === name)), ...added.volumes],
    ...pullSecrets(pod, config),
    ...(kind === 'gateway' ? { securityContext: lowPorts(pod.spec.securityContext ?? {}) } : {}),
  }
  const restore: Restore = {
    labels: before(labels, newLabels),
    annotations: before(annotations, { ...addedAnnotations(annotations, config.revision, applications), ...metrics.annotations }),
    probes: Object.fromEntries(
      changes.flatMap(({ container, originals }) => (Object.keys(originals).length === 0 ? [] : [[container.name, originals]])),
    ),
    env: Object.fromEntries(changes.flatMap(({ container, env: names }) => (names.length === 0 ? [] : [[container.name, names]]))),
    ...(kind === 'gateway' ? { securityContext: pod.spec.securityContext ?? null } : {}),
  }
  const status: InjectionStatus = {
    initContainers: [...(added.init === undefined ? [] : [added.init.name]), ...(kind === 'native' ? [added.proxy.name] : [])],
    containers: kind === 'native' ? [] : [added.proxy.name],
    volumes: added.volumes.map(({ name }) => name),
    imagePullSecrets: newSecrets(pod, config),
    revision: config.revision,
  }
  const texts = merge(annotations, {
    ...addedAnnotations(annotations, config.revision, applications),
    ...metrics.annotations,
    ...(overrides === undefined ? {} : { [OVERRIDES_ANNOTATION]: JSON.stringify(overrides) }),
    [STATUS_ANNOTATION]: JSON.stringify(status),
    [RESTORE_ANNOTATION]: JSON.stringify(onlyFilled(restore)),
  })
  const made: Pod = { ...pod, metadata: { ...pod.metadata, labels: allLabels, annotations: texts }, spec }
  const warnings = [
    ...settledWarnings,
    ...changes.flatMap((each) => each.warnings),
    ...metrics.warnings,
    ...doubtsAbout(pod, settings, kind, workload, applications),
  ]
  return checkNames(made, warnings)
}

interface ChangedContainer {
  readonly container: Container
  readonly probes: Json
  readonly originals: Json
  readonly env: readonly string[]
  readonly warnings: readonly string[]
}

function changeContainers(
  containers: readonly Container[],
  { config }: PodSettings,
  rewrite: boolean,
  explicit: boolean,
): readonly ChangedContainer[] {
  return containers.map((each) => {
    const { container, probes, originals, warnings } = rewrite
      ? rewriteProbes(each, config.statusPort)
      : { container: each, probes: {}, originals: {}, warnings: [] }
    const told = explicit ? explicitProxy(container) : { container, env: [], warnings: [] }
    return { container: told.container, probes, originals, env: told.env, warnings: [...warnings, ...told.warnings] }
  })
}

function withoutProxy(containers: readonly Container[] = []): readonly Container[] {
  return containers.filter(({ name }) => !PROXY_NAMES.includes(name) && name !== INIT_CONTAINER)
}

/** A container of the pod's own under the proxy's name says what shall be different; `image: auto` is ours. */
function overrideWith(proxy: Container, { spec }: Pod): Container {
  const own = [...spec.containers, ...(spec.initContainers ?? [])].find(({ name }) => PROXY_NAMES.includes(name))
  if (own === undefined) return proxy
  const { image, ...rest } = own
  return overlay(proxy, image === undefined || image === 'auto' || image === '' ? rest : own)
}

function overrideWithInit(init: Container, { spec }: Pod): Container {
  const own = spec.initContainers?.find(({ name }) => name === INIT_CONTAINER)
  return own === undefined ? init : overlay(init, own.image === 'auto' ? { ...own, image: init.image } : own)
}

function ownProxies({ spec }: Pod): Json | undefined {
  const containers = spec.containers.filter(({ name }) => PROXY_NAMES.includes(name))
  const initContainers = (spec.initContainers ?? []).filter(({ name }) => PROXY_NAMES.includes(name) || name === INIT_CONTAINER)
  return containers.length + initContainers.length === 0 ? undefined : { containers, initContainers }
}

function newSecrets({ spec }: Pod, { imagePullSecrets }: InjectorConfig): readonly string[] {
  return imagePullSecrets.filter((name) => !spec.imagePullSecrets?.some((each) => each.name === name))
}

function pullSecrets(pod: Pod, config: InjectorConfig): Json {
  const names = newSecrets(pod, config)
  return names.length === 0 ? {} : { imagePullSecrets: [...(pod.spec.imagePullSecrets ?? []), ...names.map((name) => ({ name }))] }
}

/** A gateway listens on 80 and 443 without rights: a safe sysctl, allowed by every Pod Security level. */
function lowPorts(context: Json): Json {
  const name = 'net.ipv4.ip_unprivileged_port_start'
  const sysctls = Array.isArray(context.sysctls) ? context.sysctls : []
  return sysctls.some((each: Json) => each.name === name) ? context : { ...context, sysctls: [...sysctls, { name, value: '0' }] }
}

/** Sorted, because the API server sorts what it stores: the same pod gives the same text. */
function before(texts: Texts, changes: Readonly<Record<string, string | null>>): Record<string, string | null> {
  return Object.fromEntries(
    Object.keys(changes)
      .sort()
      .flatMap((key) => (texts[key] === changes[key] ? [] : [[key, texts[key] ?? null]])),
  )
}

function merge(texts: Texts, changes: Readonly<Record<string, string | null>>): Texts {
  return Object.fromEntries(Object.entries({ ...texts, ...changes }).filter((entry): entry is [string, string] => entry[1] !== null))
}

function onlyFilled(restore: Restore): Json {
  return Object.fromEntries(Object.entries(restore).filter(([, each]) => each === null || Object.keys(each).length > 0))
}

/** The API server would refuse it with fewer words. */
function checkNames(pod: Pod, warnings: readonly string[]): Result<InjectedPod> {
  const names = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].map(({ name }) => name)
  const problems: Problem[] = names
    .filter((name, index) => names.indexOf(name) !== index)
    .map((name) => ({ path: 'spec.containers', message: `two containers would have the name ${name}; rename the pod's own` }))
  return problems.length > 0 ? { ok: false, problems } : succeed({ pod, warnings })
}
