// Which workload a pod belongs to, from its controller: a Deployment stands behind a ReplicaSet, a CronJob behind a Job, and only their
// names tell. Pure. What peers see as the workload's name, and Istio's OWNER in node metadata.
import type { OwnerReference, Pod } from './pod.ts'

export interface Workload extends OwnerReference {
  readonly plural: string
}

export function workloadOf(pod: Pod): Workload {
  const { name, generateName = '', labels = {}, ownerReferences = [] } = pod.metadata
  const controller = ownerReferences.find((each) => each.controller === true)
  const owner = { apiVersion: String(controller?.apiVersion), kind: String(controller?.kind), name: String(controller?.name) }
  if (controller === undefined) return described({ apiVersion: 'v1', kind: 'Pod', name: name ?? generateName.replace(/-$/, '') })
  const hash = labels['pod-template-hash']
  if (owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`))
    return described({ apiVersion: 'apps/v1', kind: 'Deployment', name: owner.name.slice(0, -hash.length - 1) })
  // Argo's Rollout and others write the hash as a label of their own; the ReplicaSet's name is then what there is.
  const [, cronJob] = /^(.+)-\d{8,10}$/.exec(owner.kind === 'Job' ? owner.name : '') ?? []
  return described(cronJob === undefined ? owner : { apiVersion: 'batch/v1', kind: 'CronJob', name: cronJob })
}

/** As Istio: the kind in small letters and an s. */
export function described(owner: OwnerReference): Workload {
  return { ...owner, plural: `${owner.kind.toLowerCase()}s` }
}

export function ownerUri({ apiVersion, plural, name }: Workload, namespace: string): string {
  return `kubernetes://apis/${apiVersion}/namespaces/${namespace}/${plural}/${name}`
}
