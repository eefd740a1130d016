// Reads a case, and runs the pipeline on it: read -> compile -> view -> generate. Used by the golden tests.
// The address plan is made here from positions, so that goldens do not change with the numbers that standalone gives out.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import { type Finding, formatFinding } from '../../src/api/finding.ts'
import type { AnyApiObject } from '../../src/api/kinds.ts'
import { keyOf } from '../../src/api/object-meta.ts'
import { readYaml } from '../../src/api/read-yaml.ts'
import { compileRegex } from '../../src/base/regex.ts'
import type { AddressPlan, WorkloadAddresses } from '../../src/model/address-plan.ts'
import { DEFAULT_MESH_SETTINGS, type MeshSettings } from '../../src/model/mesh-settings.ts'
import type { MeshSnapshot } from '../../src/model/mesh-snapshot.ts'
import type { CompileInput } from '../../src/operator/compile/compile-input.ts'
import { compileMesh } from '../../src/operator/compile/compile-mesh.ts'
import { emptyKubeState, type KubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { generate } from '../../src/xds/generate/generate.ts'
import type { EnvoyResources } from '../../src/xds/generate/resources.ts'
import type { ProxyView } from '../../src/xds/view/proxy-view.ts'
import { viewFor } from '../../src/xds/view/view-for.ts'

export const CASES = path.join(import.meta.dirname, 'cases')
const MESHES = path.join(import.meta.dirname, 'meshes')

/** The first document of a case. */
interface CaseHeader {
  /** `workload.namespace` of the proxy that is looked at. */
  readonly proxy: string
  /** A file of meshes/ whose objects are there too. */
  readonly mesh?: string
  readonly capture?: 'bind' | 'redirect'
  /** `namespace/name` of workloads that do not answer. */
  readonly notReady?: readonly string[]
  readonly settings?: Partial<MeshSettings>
  /** The proxy is an Envoy, not ours. */
  readonly stock?: boolean
  /** The proxy is a gateway. */
  readonly router?: boolean
}

export interface GoldenCase {
  readonly name: string
  readonly input: CompileInput
  readonly proxy: { readonly workload: string; readonly namespace: string; readonly isStock: boolean; readonly type: 'sidecar' | 'router' }
  /** What reading found. */
  readonly findings: readonly Finding[]
}

export interface GoldenOutcome {
  readonly snapshot: MeshSnapshot
  readonly view: ProxyView
  readonly resources: EnvoyResources
  /** One line per Finding, as `lateen analyze` prints it. */
  readonly findings: readonly string[]
}

export function caseNames(): readonly string[] {
  return readdirSync(CASES)
    .filter((file) => file.endsWith('.in.yaml'))
    .map((file) => file.slice(0, -'.in.yaml'.length))
    .sort()
}

export function readCase(name: string): GoldenCase {
  const text = readFileSync(path.join(CASES, `${name}.in.yaml`), 'utf8')
  const end = text.search(/^---$/m)
  // The cases are this repository's own; a wrong header fails the test that uses it.
  const header = parse(end === -1 ? text : text.slice(0, end)) as CaseHeader
  const own = end === -1 ? '' : text.slice(0, end).replace(/[^\n]/g, '') + text.slice(end)
  const shared = header.mesh === undefined ? '' : readFileSync(path.join(MESHES, header.mesh), 'utf8')
  const reads = [
    readYaml(shared, header.mesh ?? '', { defaultNamespace: 'default', compileRegex }),
    readYaml(own, `${name}.in.yaml`, { defaultNamespace: 'default', compileRegex }),
  ]
  const state = nextKubeState(
    emptyKubeState,
    reads.flatMap(({ objects }) => objects),
  )
  const addresses = planOf(state)
  const silent = new Set(header.notReady)
  const [workload = '', namespace = ''] = header.proxy.split('.')
  return {
    name,
    proxy: { workload, namespace, isStock: header.stock === true, type: header.router === true ? 'router' : 'sidecar' },
    findings: reads.flatMap(({ findings }) => findings),
    input: {
      state,
      settings: { ...DEFAULT_MESH_SETTINGS, ...header.settings },
      addresses,
      capture: header.capture ?? 'bind',
      ready: new Set([...Object.keys(addresses.workloads), ...state.objects.Pod.keys()].filter((key) => !silent.has(key))),
      compileRegex,
    },
  }
}

export function runCase(golden: GoldenCase): GoldenOutcome {
  const { snapshot, findings } = compileMesh(golden.input)
  const view = viewFor(snapshot, golden.proxy)
  if (view === undefined) throw new Error(`case ${golden.name}: there is no workload ${golden.proxy.workload}.${golden.proxy.namespace}`)
  return { snapshot, view, resources: generate(view), findings: [...golden.findings, ...findings].map(formatFinding) }
}

/** 10.0.0.<n> for workload n; 10.1.<n>.<m> for service m as workload n calls it. */
function planOf(state: KubeState): AddressPlan {
  const services = [...state.objects.Service.values()]
  const workloads: Record<string, WorkloadAddresses> = {}
  for (const [index, workload] of [...state.objects.LocalWorkload.values()].entries()) {
    const address = `10.0.0.${index + 1}`
    workloads[keyOf(workload)] = {
      workload: keyOf(workload),
      address,
      admin: { host: address, port: 15000 },
      health: { host: address, port: 15021 },
      metrics: { host: address, port: 15090 },
      httpProxy: { host: address, port: 15080 },
      inbound: (workload.spec.ports ?? []).map(({ name = '', containerPort }, at) => ({
        name,
        containerPort,
        listen: { host: address, port: containerPort },
        application: { host: '127.0.0.1', port: 20_000 + index * 10 + at },
      })),
      outbound: services.flatMap((service, number) => outboundOf(service, `10.1.${index + 1}.${number + 1}`)),
    }
  }
  return { strategy: 'loopback', workloads }
}

function outboundOf(service: Extract<AnyApiObject, { readonly kind: 'Service' }>, host: string): WorkloadAddresses['outbound'] {
  return (service.spec.ports ?? []).map(({ port }) => ({ service: keyOf(service), port, listen: { host, port }, published: false }))
}
