// The YAML of small meshes for tests: a caller that is a sidecar alone, and a service 'echo' in two versions.
// `startMesh` replaces $ECHO by the command of the application.

export interface EchoOptions {
  /** Instances of each version; 0 leaves it out. */
  readonly v1?: number
  readonly v2?: number
  /** Further sidecars without an application. */
  readonly callers?: readonly string[]
}

export const ECHO_PORT = 8080

export function echoMesh({ v1 = 1, v2 = 1, callers = ['caller'] }: EchoOptions = {}): Record<string, string> {
  const versions = Object.entries({ v1, v2 }).filter(([, replicas]) => replicas > 0)
  return {
    'service.yaml': SERVICE,
    'callers.yaml': callers.map(caller).join('---\n'),
    ...Object.fromEntries(versions.map(([version, replicas]) => [`echo-${version}.yaml`, echoWorkload(version, replicas)])),
  }
}

export function echoWorkload(version: string, replicas: number): string {
  return `apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: { name: echo-${version}, namespace: default, labels: { app: echo, version: ${version} } }
spec:
  serviceAccount: echo
  command: $ECHO
  replicas: ${replicas}
  env: [{ name: SERVICE_VERSION, value: ${version} }]
  ports: [{ name: http, containerPort: ${ECHO_PORT} }]
  readinessProbe: { httpGet: { path: /health, port: ${ECHO_PORT} } }
`
}

const SERVICE = `apiVersion: v1
kind: Namespace
metadata: { name: default }
---
apiVersion: v1
kind: Service
metadata: { name: echo, namespace: default }
spec:
  selector: { app: echo }
  ports: [{ name: http, port: ${ECHO_PORT} }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: echo, namespace: default }
spec:
  host: echo
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
`

function caller(name: string): string {
  return `apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: { name: ${name}, namespace: default, labels: { app: ${name}, version: v1 } }
spec: { serviceAccount: ${name} }
`
}

/** A VirtualService that splits 'echo' between its versions. */
export function split(v1: number, v2: number): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo, namespace: default }
spec:
  hosts: [echo]
  http:
    - route:
        - { destination: { host: echo, subset: v1 }, weight: ${v1} }
        - { destination: { host: echo, subset: v2 }, weight: ${v2} }
`
}

export const STRICT = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: STRICT } }
`
