// The mesh of the control plane's bench, made as values (no YAML, no files): services of two workloads each, twenty to a namespace, every
// second one with a VirtualService and a DestinationRule of two subsets; scoped: a Sidecar in every namespace that sees itself alone.
import type { AnyApiObject } from '../../src/api/kinds.ts'
import type { ObjectMeta } from '../../src/api/object-meta.ts'
import type { AddressPlan, HostPort } from '../../src/model/address-plan.ts'

export interface MeshSize {
  readonly services: number
  readonly clients: number
  readonly scoped: boolean
}

export const SERVICES_PER_NAMESPACE = 20
export const PORT = 9080

export function namespaceOf(service: number): string {
  return `ns-${Math.floor(service / SERVICES_PER_NAMESPACE)}`
}

/** Client number -> the workload behind which it runs: two to a service. */
export function workloadOf(
  client: number,
  services: number,
): { readonly service: number; readonly name: string; readonly namespace: string } {
  const service = Math.floor(client / 2) % services
  return { service, name: `svc-${service}-v${(client % 2) + 1}`, namespace: namespaceOf(service) }
}

/** @param weights of the VirtualServices that have been changed, by service. */
export function objectsOf({ services, scoped }: MeshSize): AnyApiObject[] {
  const objects: AnyApiObject[] = []
  for (let service = 0; service < services; service++) {
    const namespace = namespaceOf(service)
    const name = `svc-${service}`
    objects.push({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: meta(name, namespace),
      spec: {
        clusterIP: `10.${Math.floor(service / 250)}.${service % 250}.1`,
        selector: { app: name },
        ports: [{ name: 'http', port: PORT, targetPort: 8080 }],
      },
    })
    for (const version of ['v1', 'v2']) objects.push(workload(name, version, namespace))
    if (service % 2 === 0) objects.push(rule(name, namespace), virtualService(service, 80))
    if (scoped && service % SERVICES_PER_NAMESPACE === 0) objects.push(sidecar(namespace))
  }
  return objects
}

export function virtualService(service: number, weight: number): AnyApiObject {
  const name = `svc-${service}`
  const route = (version: string, share: number) => ({ destination: { host: name, subset: version }, weight: share })
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: meta(name, namespaceOf(service)),
    spec: {
      hosts: [name],
      http: [
        { match: [{ headers: { 'x-canary': { exact: 'true' } } }], route: [{ destination: { host: name, subset: 'v2' } }] },
        { route: [route('v1', weight), route('v2', 100 - weight)] },
      ],
    },
  }
}

function workload(app: string, version: string, namespace: string): AnyApiObject {
  return {
    apiVersion: 'lateen.dev/v1alpha1',
    kind: 'LocalWorkload',
    metadata: { ...meta(`${app}-${version}`, namespace), labels: { app, version } },
    spec: { serviceAccount: app, command: ['none'], ports: [{ name: 'http', containerPort: 8080 }] },
  }
}

function rule(name: string, namespace: string): AnyApiObject {
  const subsets = ['v1', 'v2'].map((version) => ({ name: version, labels: { version } }))
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: meta(name, namespace),
    spec: { host: name, subsets },
  }
}

function sidecar(namespace: string): AnyApiObject {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Sidecar',
    metadata: meta('default', namespace),
    spec: { egress: [{ hosts: ['./*'] }] },
  }
}

function meta(name: string, namespace: string): ObjectMeta {
  return { name, namespace, labels: {}, annotations: {} }
}

export function addressesOf({ services }: MeshSize): AddressPlan {
  const nowhere: HostPort = { host: '127.0.0.1', port: 0 }
  const entries = Array.from({ length: services * 2 }, (_, client) => {
    const { name, namespace } = workloadOf(client, services)
    const key = `${namespace}/${name}`
    const address = `172.${16 + Math.floor(client / 60_000)}.${Math.floor(client / 250) % 240}.${(client % 250) + 1}`
    const own = { admin: nowhere, health: nowhere, metrics: nowhere, httpProxy: nowhere }
    return [key, { workload: key, address, ...own, inbound: [], outbound: [] }] as const
  })
  return { strategy: 'loopback', workloads: Object.fromEntries(entries) }
}
