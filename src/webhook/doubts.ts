// What works, but not as its author may think: said in the admission answer, which `kubectl apply` prints. Pure.
import { isRecord } from '../api/record.ts'
import { PROXY_UID } from './init-container.ts'
import type { Workload } from './owner.ts'
import type { Container, Pod } from './pod.ts'
import type { PodSettings } from './pod-settings.ts'
import type { ProxyKind } from './proxy-container.ts'

export function doubtsAbout(
  pod: Pod,
  { config }: PodSettings,
  kind: ProxyKind,
  workload: Workload,
  applications: readonly Container[],
): readonly string[] {
  if (kind === 'gateway') return []
  const doubts: string[] = []
  if (config.capture === 'none') {
    doubts.push(
      "without capture only HTTP calls of applications that honour HTTP_PROXY pass the proxy; what comes in reaches the application's own port: inbound mutual TLS, authorization and metrics are not in force for this pod",
    )
  } else {
    const sameUser = applications.filter((each) => userOf(each, pod) === PROXY_UID).map(({ name }) => name)
    if (sameUser.length > 0)
      doubts.push(
        `runs as user ${PROXY_UID}, the proxy's: connections of ${sameUser.join(', ')} are not captured; choose another runAsUser`,
      )
    if (config.statusPort === 0 && config.rewriteProbes)
      doubts.push('the status port is 0, so probes are not rewritten: under strict mutual TLS the kubelet is refused')
  }
  if (kind === 'classic') {
    if (['Job', 'CronJob'].includes(workload.kind) || pod.spec.restartPolicy === 'Never' || pod.spec.restartPolicy === 'OnFailure')
      doubts.push('this cluster gets a classic sidecar, which does not end when the application does: the pod does not complete by itself')
    const early = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy !== 'Always').map(({ name }) => name)
    if (early.length > 0 && config.capture === 'init')
      doubts.push(`init containers (${early.join(', ')}) run before the classic sidecar: their connections are plain, outside the mesh`)
  }
  return doubts
}

function userOf({ securityContext }: Container, { spec }: Pod): unknown {
  return securityContext?.runAsUser ?? (isRecord(spec.securityContext) ? spec.securityContext.runAsUser : undefined)
}
