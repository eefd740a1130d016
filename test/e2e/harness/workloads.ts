// The objects of a test's applications, and pods through which a test speaks: it runs outside of the mesh, they are inside.
import http from 'node:http'
import type { LoadPlan, LoadReport } from '../../harness/load.ts'
import type { Http2Plan } from '../../harness/load-http2.ts'
import { apply, awaitPods, readyPods, type Seen } from './kubectl.ts'

export const E2E_IMAGE = 'lateen/e2e:dev'

export interface AppOptions {
  readonly name: string
  readonly version?: string
  readonly replicas?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  /** Fields of the pod's spec beside what every application has. */
  readonly spec?: Readonly<Record<string, unknown>>
  /** Of the container. */
  readonly container?: Readonly<Record<string, unknown>>
}

/** ServiceAccount, Service and Deployment of one application; several versions share the Service. */
export function app(options: AppOptions): readonly object[] {
  const { name, version = 'v1', replicas = 1, labels = {}, annotations = {}, spec = {}, container = {} } = options
  const own = { app: name, version, ...labels }
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } },
    service(name),
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: version === 'v1' ? name : `${name}-${version}`, labels: own },
      spec: {
        replicas,
        selector: { matchLabels: { app: name, version } },
        strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: {
          metadata: { labels: own, annotations: { 'traffic.sidecar.istio.io/excludeInboundPorts': '9999', ...annotations } },
          spec: { serviceAccountName: name, terminationGracePeriodSeconds: 20, containers: [appContainer(version, container)], ...spec },
        },
      },
    },
  ]
}

export function appContainer(version = 'v1', more: Readonly<Record<string, unknown>> = {}): object {
  return {
    name: 'app',
    image: E2E_IMAGE,
    imagePullPolicy: 'IfNotPresent',
    env: [
      { name: 'VERSION', value: version },
      { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    ],
    ports: [{ name: 'http', containerPort: 8080 }, { name: 'grpc', containerPort: 8081 }, { containerPort: 9999 }],
    // A busy machine is no reason to take a pod out of service.
    readinessProbe: { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 5 },
    // Kubernetes goes on sending for a moment to a pod that it ends; with the sidecar as without.
    lifecycle: { preStop: { sleep: { seconds: 3 } } },
    ...more,
  }
}

export function service(name: string, more: Readonly<Record<string, unknown>> = {}): object {
  const ports = [
    { name: 'http', port: 8080, targetPort: 8080 },
    { name: 'grpc', port: 8081, targetPort: 8081 },
  ]
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, labels: { app: name } }, spec: { selector: { app: name }, ports, ...more } }
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Call {
  readonly url: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
  /** Whether HTTP_PROXY counts, in a pod that has one; default: yes. */
  readonly proxied?: boolean
}

/** A pod of the e2e application that does what a test says. */
export interface Caller {
  readonly pod: string
  readonly address: string
  call(order: Call): Promise<Answer>
  load(plan: LoadPlan): Promise<LoadReport>
  loadHttp2(plan: Http2Plan): Promise<LoadReport>
  grpc(authority: string, calls: number): Promise<Readonly<Record<string, number>>>
  firstBytes(host: string, port: number): Promise<string>
  /** What it answers at /ready from now on. */
  setReady(ready: boolean): Promise<void>
}

export async function deploy(namespace: string, ...apps: readonly AppOptions[]): Promise<void> {
  await apply(apps.flatMap(app), namespace)
  for (const { name, version = 'v1', replicas = 1 } of apps) await awaitPods(namespace, `app=${name},version=${version}`, replicas)
}

export async function callerIn(namespace: string, selector: string): Promise<Caller> {
  const [pod] = await readyPods(namespace, selector)
  if (pod === undefined) throw new Error(`no ready pod ${selector} in ${namespace}`)
  return callerAt(pod)
}

export function callerAt(pod: Seen): Caller {
  const address = pod.status?.podIP
  if (address === undefined) throw new Error(`${pod.metadata.name} has no address`)
  return {
    pod: pod.metadata.name,
    address,
    call: async (order) => (await ask(address, '/call', order)) as Answer,
    loadHttp2: async (plan) => (await ask(address, '/load-http2', plan)) as LoadReport,
    load: async (plan) => (await ask(address, '/load', plan)) as LoadReport,
    grpc: async (authority, calls) => (await ask(address, '/grpc', { authority, calls })) as Readonly<Record<string, number>>,
    firstBytes: async (host, port) => ((await ask(address, '/tcp', { host, port })) as { readonly bytes: string }).bytes,
    setReady: async (ready) => {
      await ask(address, '/readiness', { ready })
    },
  }
}

function ask(address: string, path: string, order: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: address, port: 9999, path, method: 'POST', agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () =>
        response.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(`${path} at ${address}: ${text}`)),
      )
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(JSON.stringify(order))
  })
}
