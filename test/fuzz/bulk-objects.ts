// A directory as nobody should have it: as many objects as asked for, of mixed kinds, some of them wrong in every way that is cheap to
// write down. Used by bulk.test.ts. Invariant: the same number makes the same files.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const OBJECTS_PER_FILE = 1000
const SERVICES_PER_NAMESPACE = 50

export interface Bulk {
  readonly objects: number
  /** VirtualServices that all claim the host `crowd`. */
  readonly conflicting: number
  /** Files that end in the middle of a document. */
  readonly cutFiles: number
  readonly bytes: number
}

export function writeBulk(folder: string, wanted: number): Bulk {
  mkdirSync(folder, { recursive: true })
  let bytes = 0
  let file = 0
  const write = (objects: readonly string[], end = ''): void => {
    const text = objects.join('---\n') + end
    bytes += Buffer.byteLength(text)
    writeFileSync(join(folder, `bulk-${String(file++).padStart(4, '0')}.yaml`), text)
  }
  const conflicting = Math.min(1000, Math.floor(wanted / 20))
  const special = [object('v1', 'Service', 'crowd', 'bulk-0', 'spec: {ports: [{name: http, port: 80}]}'), ...cycle(30)]
  for (let index = 0; index < conflicting; index++) special.push(route(`crowd-${index}`, 'bulk-0', 'crowd', 'crowd'))
  write(special)
  const cutFiles = 2
  let objects = special.length
  let pending: string[] = []
  for (let group = 0; objects + pending.length < wanted; group++) {
    pending.push(...groupOf(group))
    if (pending.length < OBJECTS_PER_FILE) continue
    write(pending, file <= cutFiles ? '---\nkind: [\n' : '')
    objects += pending.length
    pending = []
  }
  write(pending)
  return { objects: objects + pending.length, conflicting, cutFiles, bytes }
}

function object(apiVersion: string, kind: string, name: string, namespace: string, body: string): string {
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}, namespace: ${namespace}}\n${body}\n`
}

function route(name: string, namespace: string, host: string, destination: string): string {
  const http = `- match: [{uri: {prefix: /${name}}}]\n    route: [{destination: {host: ${destination}}}]\n  - route: [{destination: {host: ${destination}}}]`
  return object('networking.istio.io/v1', 'VirtualService', name, namespace, `spec:\n  hosts: [${host}]\n  http:\n  ${http}`)
}

/** Every one hands over to the next, the last to the first. */
function cycle(length: number): readonly string[] {
  const delegate = (index: number): string => `{delegate: {name: cycle-${index % length}}}`
  return Array.from({ length }, (_, index) =>
    object(
      'networking.istio.io/v1',
      'VirtualService',
      `cycle-${index}`,
      'bulk-0',
      `spec: {${index === 0 ? 'hosts: [crowd], ' : ''}http: [${delegate(index + 1)}]}`,
    ),
  )
}

/** Ten objects about one service, each tenth group with mistakes in them. */
function groupOf(group: number): readonly string[] {
  const namespace = `bulk-${Math.floor(group / SERVICES_PER_NAMESPACE)}`
  const name = `svc-${group}`
  const wrong = group % 10 === 0
  const entry = (version: string): string =>
    object(
      'networking.istio.io/v1',
      'WorkloadEntry',
      `${name}-${version}`,
      namespace,
      `spec: {address: 10.${(group >> 8) & 255}.${group & 255}.${version.slice(1)}, labels: {app: ${name}, version: ${version}}}`,
    )
  return [
    object('v1', 'Service', name, namespace, `spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 8080}]}`),
    entry('v1'),
    entry('v2'),
    object(
      'networking.istio.io/v1',
      'DestinationRule',
      name,
      namespace,
      `spec: {host: ${wrong ? 'nowhere' : name}, subsets: [{name: v1, labels: {version: v1}}, {name: v9, labels: {version: v9}}]}`,
    ),
    route(name, namespace, name, wrong ? 'missing' : name),
    object(
      'networking.istio.io/v1',
      'ServiceEntry',
      `out-${name}`,
      namespace,
      `spec: {hosts: [${name}.example.com], ports: [{number: 443, name: tls, protocol: ${wrong ? 'SMTP' : 'TLS'}}], resolution: DNS}`,
    ),
    object(
      'security.istio.io/v1',
      'PeerAuthentication',
      name,
      namespace,
      `spec: {selector: {matchLabels: {app: ${wrong ? 'nobody' : name}}}, mtls: {mode: ${wrong ? 'STRCT' : 'STRICT'}}}`,
    ),
    object(
      'security.istio.io/v1',
      'AuthorizationPolicy',
      name,
      namespace,
      `spec: {selector: {matchLabels: {app: ${name}}}, rules: [{from: [{source: {requestPrincipals: ["*"]}}]}]}`,
    ),
    object(
      'networking.istio.io/v1',
      'Gateway',
      name,
      namespace,
      `spec: {selector: {app: ${name}}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: [${name}.example.org]}]}`,
    ),
    object(
      'networking.istio.io/v1',
      'Sidecar',
      name,
      namespace,
      `spec: {workloadSelector: {labels: {app: ${name}}}, egress: [{hosts: [./${wrong ? 'nowhere' : name}.${namespace}.svc.cluster.local]}]}`,
    ),
  ]
}
