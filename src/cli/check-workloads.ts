// `lateen check`: the namespaces and pods of the mesh: root certificates, pods that missed injection, sidecars of other versions.
import { isRecord } from '../api/record.ts'
import type { KubeObject } from '../kube/object.ts'
import { resourceOf } from '../kube/resource.ts'
import { type Check, type CheckItem, type CheckScope, fine, problem, warning } from './check-item.ts'

const ROOT = 'lateen-ca-root-cert'
/** A control plane serves proxies this much older or newer. */
const SUPPORTED_SKEW = 2
const NAMED_AT_MOST = 5

export const checkWorkloads: Check = async (scope) => {
  const { client, cli, revision } = scope
  const [namespaces, pods] = await Promise.all([
    client.list(resourceOf('Namespace'), { signal: cli.signal }),
    client.list(resourceOf('Pod'), { signal: cli.signal }),
  ])
  if (!namespaces.ok) return [problem('namespaces', namespaces.failure.message, 'allow listing Namespaces')]
  if (!pods.ok) return [problem('pods', pods.failure.message, 'allow listing Pods')]
  const chosen = namespaces.value.items.filter((namespace) => chooses(namespace.metadata.labels ?? {}, revision))
  const names = new Set(chosen.map(({ metadata }) => metadata.name))
  const inside = pods.value.items.filter(({ metadata }) => names.has(metadata.namespace ?? ''))
  if (chosen.length === 0) {
    const label = revision === 'default' ? 'istio-injection=enabled' : `istio.io/rev=${revision}`
    return [warning('namespaces in the mesh', 'none', `put one into it: kubectl label namespace NAME ${label}`)]
  }
  return [
    fine('namespaces in the mesh', [...names].join(', ')),
    await checkRoots(scope, [...names]),
    missedPods(inside),
    proxyVersions(pods.value.items, cli.version),
  ]
}

/** Istio's labels, and ours; the tag of a revision is not known here. */
function chooses(labels: Readonly<Record<string, string>>, revision: string): boolean {
  const injection = labels['istio-injection']
  const own = labels['lateen.dev/injection']
  if (injection === 'disabled' || own === 'disabled') return false
  if (injection === 'enabled') return revision === 'default'
  const named = labels['istio.io/rev']
  return named === undefined ? own === 'enabled' && revision === 'default' : named === revision
}

async function checkRoots({ client, cli }: CheckScope, namespaces: readonly string[]): Promise<CheckItem> {
  const look = `ConfigMap ${ROOT} in ${namespaces.length} namespaces`
  const read = await Promise.all(
    namespaces.map(async (namespace) => {
      const found = await client.get(resourceOf('ConfigMap'), { namespace, name: ROOT }, { signal: cli.signal })
      const data: unknown = found.ok ? found.value.data : undefined
      return { namespace, root: isRecord(data) ? data['root-cert.pem'] : undefined }
    }),
  )
  const missing = read.filter(({ root }) => root === undefined).map(({ namespace }) => namespace)
  if (missing.length > 0) {
    const fix = 'the control plane writes it: look at its log for what it may not do there'
    return problem(look, `missing in ${some(missing)}; sidecars there cannot start`, fix)
  }
  const different = new Set(read.map(({ root }) => root)).size
  return different === 1
    ? fine(look, 'all there, all the same')
    : warning(look, `${different} different ones`, 'wait until the rotation has reached all; if it stays so, restart the control plane')
}

function missedPods(pods: readonly KubeObject[]): CheckItem {
  const look = `${pods.length} pods of these namespaces`
  const missed = pods.filter(isMissed).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
  if (missed.length === 0) return fine(look, 'all that should have a sidecar have one')
  const fix =
    'pods get their sidecar when they are made: kubectl rollout restart deployment -n NAMESPACE; the reason: lateen inject check POD'
  return problem(look, `without a sidecar: ${some(missed)}`, fix)
}

/** Neither injected, nor one that is never injected. */
function isMissed({ metadata, spec, status }: KubeObject): boolean {
  if (metadata.annotations?.['sidecar.istio.io/status'] !== undefined || metadata.deletionTimestamp !== undefined) return false
  if (metadata.labels?.['sidecar.istio.io/inject'] === 'false' || metadata.annotations?.['sidecar.istio.io/inject'] === 'false')
    return false
  const over = isRecord(status) && (status.phase === 'Succeeded' || status.phase === 'Failed')
  return !over && !(isRecord(spec) && spec.hostNetwork === true)
}

function proxyVersions(pods: readonly KubeObject[], own: string): CheckItem {
  const versions = new Map<string, number>()
  for (const pod of pods) {
    const version = proxyVersion(pod)
    if (version !== undefined) versions.set(version, (versions.get(version) ?? 0) + 1)
  }
  const look = 'versions of sidecars and gateways'
  const saw = [...versions].map(([version, count]) => `${version} (${count})`).join(', ') || 'there are none yet'
  const far = [...versions.keys()].filter((version) => skew(version, own) > SUPPORTED_SKEW)
  if (far.length === 0) return fine(look, saw)
  return problem(
    look,
    `${saw}; this is ${own}`,
    `restart the workloads of ${far.join(', ')}: more than ${SUPPORTED_SKEW} minor versions apart`,
  )
}

/** The tag of the image of the container that the injector named lateen-proxy. */
function proxyVersion({ spec }: KubeObject): string | undefined {
  if (!isRecord(spec)) return undefined
  const containers = [spec.initContainers, spec.containers].flatMap((each) => (Array.isArray(each) ? each : []))
  const proxy = containers.find((each: unknown) => isRecord(each) && each.name === 'lateen-proxy')
  return isRecord(proxy) ? /:([^/:@]+)(?:@.*)?$/.exec(String(proxy.image))?.[1] : undefined
}

/** Minor versions between; 0 for tags that are no versions. */
function skew(one: string, other: string): number {
  const [a, b] = [one, other].map((each) => /^v?(\d+)\.(\d+)/.exec(each))
  if (a === null || b === null || a === undefined || b === undefined) return 0
  return a[1] === b[1] ? Math.abs(Number(a[2]) - Number(b[2])) : Number.POSITIVE_INFINITY
}

function some(names: readonly string[]): string {
  const rest = names.length - NAMED_AT_MOST
  return rest <= 0 ? names.join(', ') : `${names.slice(0, NAMED_AT_MOST).join(', ')} and ${rest} more`
}
