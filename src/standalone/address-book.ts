// The address plan with its memory: reads the mesh's settings and earlier assignments from the state folder, asks which ports are free,
// plans, writes the assignments back. The control plane calls `plan` on every change of the directory, before it compiles.
import type { Problem } from '../base/result.ts'
import type { AddressPlan } from '../model/address-plan.ts'
import { type Assignments, NO_ASSIGNMENTS, type PlannedService, type PlannedWorkload, planAddresses } from './address-plan.ts'
import { type HostAndPort, isFree } from './free-ports.ts'
import { type MeshSettings, readJson, readSettings, type StateFolder, writePrivateFile } from './state-folder.ts'

/** As much of a LocalWorkload as addresses need. */
export interface AddressedWorkload {
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly spec: {
    readonly replicas?: number
    readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[]
    readonly publish?: readonly { readonly service: string; readonly port: number; readonly hostPort: number }[]
  }
}

/** As much of a Service. */
export interface AddressedService {
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly spec: { readonly ports?: readonly { readonly port: number }[] }
}

export interface AddressBook {
  plan(
    workloads: readonly AddressedWorkload[],
    services: readonly AddressedService[],
  ): Promise<{ readonly plan: AddressPlan; readonly problems: readonly Problem[] }>
}

const DEFAULT_SETTINGS: MeshSettings = { dir: '', mesh: 1, strategy: 'loopback', ingressPort: undefined }

export function openAddressBook(folder: StateFolder, isRoot: boolean): AddressBook {
  const settings = readSettings(folder) ?? DEFAULT_SETTINGS
  let assignments = readAssignments(folder)
  const unavailablePorts = new Set<number>()
  return {
    async plan(workloads, services) {
      const planned = instancesOf(workloads, settings.ingressPort)
      const offered = services.map(plannedService)
      const options = {
        strategy: settings.strategy,
        mesh: settings.mesh,
        unavailablePorts,
        firstUnprivilegedPort: isRoot || process.platform === 'darwin' ? 0 : 1024,
      }
      for (;;) {
        const result = planAddresses(planned, offered, assignments, options)
        const taken = await takenAmong(
          Object.values(result.assignments.ports).filter((port) => !Object.values(assignments.ports).includes(port)),
        )
        if (taken.length > 0) {
          for (const port of taken) unavailablePorts.add(port)
          continue
        }
        if (JSON.stringify(result.assignments) !== JSON.stringify(assignments)) {
          assignments = result.assignments
          writePrivateFile(folder.assignmentsFile, `${JSON.stringify({ for: fingerprint(settings), ...assignments }, null, 2)}\n`)
        }
        return { plan: result.plan, problems: result.problems }
      }
    },
  }

  function readAssignments(from: StateFolder): Assignments {
    const value = readJson(from.assignmentsFile)
    if (!isAssignments(value) || value.for !== fingerprint(settings)) return NO_ASSIGNMENTS
    return { workloads: value.workloads, services: value.services, ports: value.ports }
  }
}

/** The instances of every LocalWorkload: the first carries its name, others a number. */
export function instancesOf(workloads: readonly AddressedWorkload[], ingressPort: number | undefined): PlannedWorkload[] {
  let nextIngress = ingressPort
  return [...workloads]
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .flatMap(({ metadata, spec }) => {
      const publish = (spec.publish ?? []).map((each) => ({ ...each, hostPort: nextIngress === undefined ? each.hostPort : nextIngress++ }))
      return Array.from({ length: spec.replicas ?? 1 }, (_, index) => ({
        namespace: metadata.namespace ?? 'default',
        name: instanceName(metadata.name, index),
        workload: metadata.name,
        ports: (spec.ports ?? []).map(({ name, containerPort }) => ({ name: name ?? '', containerPort })),
        publish: index === 0 ? publish : [],
      }))
    })
}

export function instanceName(workload: string, index: number): string {
  return index === 0 ? workload : `${workload}-${index + 1}`
}

export function plannedService({ metadata, spec }: AddressedService): PlannedService {
  return { namespace: metadata.namespace ?? 'default', name: metadata.name, ports: (spec.ports ?? []).map(({ port }) => ({ port })) }
}

async function takenAmong(ports: readonly number[]): Promise<number[]> {
  const checked = await Promise.all(ports.map(async (port) => ({ port, free: await isFree(onLoopback(port)) })))
  return checked.filter(({ free }) => !free).map(({ port }) => port)
}

function onLoopback(port: number): HostAndPort {
  return { host: '127.0.0.1', port }
}

/** Assignments of another mesh number or strategy mean nothing here. */
function fingerprint({ mesh, strategy }: MeshSettings): string {
  return `${strategy} ${mesh}`
}

function isAssignments(value: unknown): value is Assignments & { readonly for: string } {
  if (typeof value !== 'object' || value === null) return false
  return (
    'for' in value &&
    ['workloads', 'services', 'ports'].every((key) => isNumbers(Object.entries(value).find(([name]) => name === key)?.[1]))
  )
}

function isNumbers(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.values(value).every(Number.isInteger)
}
