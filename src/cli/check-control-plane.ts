// `lateen check`: the control plane itself: CRDs, replicas, webhooks and their certificate, and a pod that the API server only pretends to make.
import { isRecord } from '../api/record.ts'
import { meshResources, resourceOf } from '../kube/resource.ts'
import { type Check, fine, problem, revisionSuffix, warning } from './check-item.ts'

export const checkCrds: Check = async ({ client, cli }) => {
  const look = 'CRDs of the mesh kinds'
  const listed = await client.list(resourceOf('CustomResourceDefinition'), { signal: cli.signal })
  if (!listed.ok) return [problem(look, listed.failure.message, 'allow listing CustomResourceDefinitions')]
  const served = new Map(listed.value.items.map(({ metadata, spec }) => [metadata.name, servedVersions(spec)]))
  const wanted = meshResources()
  const missing = wanted.filter(({ plural, group, version }) => !served.get(`${plural}.${group}`)?.includes(version))
  if (missing.length === 0) return [fine(look, `${wanted.length} of ${wanted.length}, in the versions that are read`)]
  const names = missing.map(({ plural, group, version }) => `${plural}.${group} ${version}`).join(', ')
  return [problem(look, `not served: ${names}`, 'lateen upgrade --set crds.enabled=true')]
}

function servedVersions(spec: unknown): readonly string[] {
  if (!isRecord(spec) || !Array.isArray(spec.versions)) return []
  return spec.versions.flatMap((each: unknown) => (isRecord(each) && each.served === true ? [String(each.name)] : []))
}

export const checkReplicas: Check = async ({ client, cli, namespace, revision }) => {
  const name = `lateen-control-plane${revisionSuffix(revision)}`
  const look = `Deployment ${namespace}/${name}`
  const found = await client.get(resourceOf('Deployment'), { namespace, name }, { signal: cli.signal })
  if (!found.ok) {
    const where = 'install it (lateen install), or say where it is (-n, --revision)'
    return [problem(look, found.failure.reason === 'NotFound' ? 'there is none' : found.failure.message, where)]
  }
  const { spec, status } = found.value
  const wanted = isRecord(spec) && typeof spec.replicas === 'number' ? spec.replicas : 1
  const ready = isRecord(status) && typeof status.readyReplicas === 'number' ? status.readyReplicas : 0
  const saw = `${ready} of ${wanted} ready`
  if (ready === wanted && ready > 0) return [fine(look, saw)]
  const fix = `see why: kubectl describe pod -n ${namespace} -l app=lateen-control-plane; kubectl logs -n ${namespace} deployment/${name}`
  return [ready === 0 ? problem(look, saw, fix) : warning(look, saw, fix)]
}

/** The webhook trusts exactly the CA of the certificate that the control plane shows. */
export const checkWebhookCertificate: Check = async ({ client, cli, namespace, revision }) => {
  const look = `webhooks of revision ${revision}`
  const listed = await client.list(resourceOf('MutatingWebhookConfiguration'), {
    labelSelector: `app=lateen-injector,istio.io/rev=${revision}`,
    signal: cli.signal,
  })
  if (!listed.ok) return [problem(look, listed.failure.message, 'allow listing MutatingWebhookConfigurations')]
  const hooks = listed.value.items.flatMap(({ webhooks }) => (Array.isArray(webhooks) ? webhooks : []))
  if (hooks.length === 0) return [problem(look, 'there are none: no pod is injected', 'lateen upgrade --set injector.enabled=true')]
  const secretName = `lateen-webhook${revisionSuffix(revision)}`
  const secret = await client.get(resourceOf('Secret'), { namespace, name: secretName }, { signal: cli.signal })
  if (!secret.ok) {
    const fix = 'with injector.certificate.source=secret this is expected; else run lateen upgrade'
    return [warning(`Secret ${namespace}/${secretName}`, secret.failure.message, fix)]
  }
  const { data } = secret.value
  const ca = isRecord(data) ? data['ca.crt'] : undefined
  const other = hooks.filter((hook: unknown) => !(isRecord(hook) && isRecord(hook.clientConfig) && hook.clientConfig.caBundle === ca))
  if (other.length === 0) return [fine(look, `${hooks.length} entries, which trust the certificate in Secret ${secretName}`)]
  const fix = 'render both again: lateen upgrade (never edit them; what writes them besides Helm must be stopped)'
  return [problem(look, `${other.length} of ${hooks.length} entries trust another CA than Secret ${secretName} has`, fix)]
}

/** A real call through the API server: a pod that is only pretended (dryRun) comes back with a sidecar, or with the reason why not. */
export const checkInjection: Check = async ({ client, cli, namespace, revision }) => {
  const look = 'injection, by a pod that is only pretended'
  const labels = { 'sidecar.istio.io/inject': 'true', ...(revision === 'default' ? {} : { 'istio.io/rev': revision }) }
  const pod = {
    metadata: { generateName: 'lateen-check-', namespace, labels },
    spec: { containers: [{ name: 'app', image: 'lateen-check' }] },
  }
  const made = await client.create(resourceOf('Pod'), pod, { dryRun: true, signal: cli.signal })
  if (!made.ok) {
    const fix =
      'the API server must reach port 15017 of the control plane: look at its logs, at NetworkPolicies, and at firewalls between control plane and nodes'
    return [problem(look, made.failure.message, fix)]
  }
  const injected = made.value.metadata.annotations?.['sidecar.istio.io/status'] !== undefined
  return injected
    ? [fine(look, 'the API server reached the webhook, which added the sidecar')]
    : [problem(look, 'the pod came back without a sidecar', `why: lateen inject check, and the log of the control plane in ${namespace}`)]
}
