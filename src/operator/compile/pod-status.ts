// What a pod's status says, read strictly: it is the one status that the mesh is made of. Called by pod-instance.ts and by the Kubernetes
// source. Invariant: whether it is ready is not part of what compile reads, so that turning costs no pass (readiness.ts).
import { isRecord } from '../../api/record.ts'

export interface PodStatus {
  readonly phase: string
  /** The first is the one by which Kubernetes knows it. */
  readonly addresses: readonly string[]
}

export function podStatus(status: unknown): PodStatus {
  if (!isRecord(status)) return { phase: '', addresses: [] }
  const { phase, podIP, podIPs } = status
  const listed = Array.isArray(podIPs) ? podIPs.flatMap((each: unknown) => (isRecord(each) ? [each.ip] : [])) : []
  const addresses = [podIP, ...listed].filter((ip): ip is string => typeof ip === 'string' && ip !== '')
  return { phase: typeof phase === 'string' ? phase : '', addresses: [...new Set(addresses)] }
}

/** Condition Ready: all containers and readiness gates. */
export function isPodReady(status: unknown): boolean {
  if (!isRecord(status) || !Array.isArray(status.conditions)) return false
  return status.conditions.some((each: unknown) => isRecord(each) && each.type === 'Ready' && each.status === 'True')
}
