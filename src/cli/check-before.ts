// `lateen check --pre`: may the mesh be installed here, and what would it meet? Asks only; changes nothing.
import { isRecord } from '../api/record.ts'
import { meshResources, resourceOf } from '../kube/resource.ts'
import { type Check, type CheckItem, fine, problem, warning } from './check-item.ts'

const NEEDED_MINOR = 28
const NATIVE_SIDECARS_MINOR = 29

export const checkApiServer: Check = async ({ client, cli }) => {
  const look = `API server ${client.connection.server.href} (${client.connection.source})`
  const answer = await client.raw('/version', { signal: cli.signal })
  if (!answer.ok) return [problem(look, answer.failure.message, 'check the kubeconfig and the way to the API server')]
  const minor = isRecord(answer.value) ? Number.parseInt(String(answer.value.minor), 10) : Number.NaN
  const version = isRecord(answer.value) ? String(answer.value.gitVersion) : 'unknown'
  if (!(minor >= NEEDED_MINOR)) return [problem(look, version, `upgrade Kubernetes to 1.${NEEDED_MINOR} or later`)]
  if (minor < NATIVE_SIDECARS_MINOR)
    return [warning(look, version, `from 1.${NATIVE_SIDECARS_MINOR} on sidecars are native: Jobs end, and init containers have network`)]
  return [fine(look, version)]
}

/** group, resource, in the system namespace: what the chart makes. */
const CREATED: readonly (readonly [string, string, boolean])[] = [
  ['', 'namespaces', false],
  ['apiextensions.k8s.io', 'customresourcedefinitions', false],
  ['rbac.authorization.k8s.io', 'clusterroles', false],
  ['rbac.authorization.k8s.io', 'clusterrolebindings', false],
  ['admissionregistration.k8s.io', 'mutatingwebhookconfigurations', false],
  ['admissionregistration.k8s.io', 'validatingwebhookconfigurations', false],
  ['', 'serviceaccounts', true],
  ['', 'services', true],
  ['', 'secrets', true],
  ['', 'configmaps', true],
  ['apps', 'deployments', true],
  ['batch', 'jobs', true],
  ['rbac.authorization.k8s.io', 'roles', true],
  ['rbac.authorization.k8s.io', 'rolebindings', true],
  ['policy', 'poddisruptionbudgets', true],
  ['networking.k8s.io', 'networkpolicies', true],
]

export const checkRights: Check = async ({ client, cli, namespace }) => {
  const answers = await Promise.all(
    CREATED.map(async ([group, resource, inside]) => {
      const attributes = { verb: 'create', group, resource, ...(inside ? { namespace } : {}) }
      const review = await client.create(
        resourceOf('SelfSubjectAccessReview'),
        { metadata: {}, spec: { resourceAttributes: attributes } },
        { signal: cli.signal },
      )
      const status: unknown = review.ok ? review.value.status : undefined
      return { resource, allowed: isRecord(status) && status.allowed === true, failure: review.ok ? undefined : review.failure.message }
    }),
  )
  const look = `rights to create what the chart has (${CREATED.length} kinds)`
  const unasked = answers.find(({ failure }) => failure !== undefined)
  if (unasked?.failure !== undefined) return [problem(look, unasked.failure, 'use an account that may create SelfSubjectAccessReviews')]
  const refused = answers.filter(({ allowed }) => !allowed).map(({ resource }) => resource)
  return refused.length === 0
    ? [fine(look, 'all granted')]
    : [problem(look, `not granted: ${refused.join(', ')}`, "install as somebody who has them; in Kubernetes' own roles: cluster-admin")]
}

/** CRDs of another owner make helm refuse the chart's. */
export const checkForeignCrds: Check = async ({ client, cli }) => {
  const look = 'CRDs of the mesh kinds'
  const listed = await client.list(resourceOf('CustomResourceDefinition'), { signal: cli.signal })
  if (!listed.ok) return [problem(look, listed.failure.message, 'allow listing CustomResourceDefinitions')]
  const ours = new Set(meshResources().map(({ plural, group }) => `${plural}.${group}`))
  const there = listed.value.items.filter(({ metadata }) => ours.has(metadata.name))
  const foreign = there.filter(({ metadata }) => metadata.annotations?.['meta.helm.sh/release-name'] === undefined)
  if (there.length === 0) return [fine(look, 'none yet; the chart brings them')]
  if (foreign.length === 0) return [fine(look, `${there.length}, of a Helm release`)]
  const fix = 'leave them to their owner with --set crds.enabled=false, or let Helm take them over: helm upgrade --take-ownership'
  return [warning(look, `${foreign.length} of ${there.length} were not made by Helm`, fix)]
}

/** Two injectors that answer to the same label would both change a pod. */
export const checkOtherInjectors: Check = async ({ client, cli, revision }) => {
  const look = 'other injectors of istio-injection=enabled'
  const listed = await client.list(resourceOf('MutatingWebhookConfiguration'), { signal: cli.signal })
  if (!listed.ok) return [problem(look, listed.failure.message, 'allow listing MutatingWebhookConfigurations')]
  const others = listed.value.items
    .filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/part-of'] !== 'lateen')
    .filter(({ webhooks }) => JSON.stringify(webhooks ?? []).includes('"istio-injection"'))
    .map(({ metadata }) => metadata.name)
  if (others.length === 0 || revision !== 'default') return [fine(look, others.length === 0 ? 'none' : others.join(', '))]
  const fix = 'install beside them as a revision (--revision NAME, namespaces choose it by istio.io/rev), or remove them first'
  return [warning(look, others.join(', '), fix)]
}

/** The init container needs NET_ADMIN, which these levels refuse. */
export const checkPodSecurity: Check = async ({ client, cli }) => {
  const look = 'Pod Security of namespaces'
  const listed = await client.list(resourceOf('Namespace'), { signal: cli.signal })
  if (!listed.ok) return [problem(look, listed.failure.message, 'allow listing Namespaces')]
  const strict = listed.value.items
    .filter(({ metadata }) => ['restricted', 'baseline'].includes(metadata.labels?.['pod-security.kubernetes.io/enforce'] ?? ''))
    .map(({ metadata }) => metadata.name)
  if (strict.length === 0) return [fine(look, 'none refuses the init container')]
  const fix = 'for workloads there use --profile restricted, or --set proxy.capture=none'
  return [warning(look, `'baseline' or 'restricted' is enforced in ${strict.join(', ')}`, fix)]
}

export const CHECKS_BEFORE: readonly Check[] = [checkApiServer, checkRights, checkForeignCrds, checkOtherInjectors, checkPodSecurity]

/** Nothing else has a meaning when the API server does not answer. */
export function isUnreachable(items: readonly CheckItem[]): boolean {
  return items[0]?.verdict === 'problem' && items[0].look.startsWith('API server') && !items[0].saw.startsWith('v')
}
