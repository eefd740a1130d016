// Of which workload a pod is a copy, by the object that controls it. Called by pod-instance.ts; status and the CLI name workloads by it, too.
// Istio's rules, so that metrics keep their names: a ReplicaSet of a Deployment counts as the Deployment, a Job of a CronJob as the CronJob.
import type { ApiObject } from '../../api/object-meta.ts'

export interface WorkloadOwner {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
}

/** Kubernetes names a CronJob's jobs after the minute for which they are scheduled, as a number of eight digits or more. */
const SCHEDULED_JOB = /^(.+)-\d{8,}$/

export function ownerOfPod({ metadata }: Pick<ApiObject, 'metadata'>): WorkloadOwner {
  const { labels, name, ownerReferences = [] } = metadata
  const owner = ownerReferences.find(({ controller }) => controller === true)
  if (owner === undefined) return { apiVersion: 'v1', kind: 'Pod', name }
  const hash = labels['pod-template-hash']
  if (owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`)) {
    return { apiVersion: 'apps/v1', kind: 'Deployment', name: owner.name.slice(0, -hash.length - 1) }
  }
  const cronJob = owner.kind === 'Job' ? SCHEDULED_JOB.exec(owner.name)?.[1] : undefined
  if (cronJob !== undefined) return { apiVersion: 'batch/v1', kind: 'CronJob', name: cronJob }
  return { apiVersion: owner.apiVersion, kind: owner.kind, name: owner.name }
}

/** What the workload is called in metrics: the label that says so, else its owner. */
export function workloadNameOfPod(pod: Pick<ApiObject, 'metadata'>): string {
  return pod.metadata.labels['service.istio.io/workload-name'] ?? ownerOfPod(pod).name
}
