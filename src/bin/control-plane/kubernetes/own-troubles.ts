// Events about what is wrong with the mesh itself, on the pod of the control plane: certificates, and what the cluster does not let us do.
// Told by truth.ts after every compile. Invariant: a trouble is told when it begins; only the leader's recorder writes.
import type { Finding } from '../../../api/finding.ts'
import { ignore } from '../../../base/errors.ts'
import type { KubeClient } from '../../../kube/client.ts'
import { resourceOf } from '../../../kube/resource.ts'
import { type EventSubject, ownTroubles, type StatusEvent } from '../../../operator/status/status-events.ts'

export interface OwnTroublesOptions {
  readonly client: Pick<KubeClient, 'get'>
  readonly namespace: string
  readonly podName: string
  readonly tell: (events: readonly StatusEvent[]) => void
}

/** The result is told all Findings of now; only those of the control plane's own are looked at. */
export function createOwnTroubles({ client, namespace, podName, tell }: OwnTroublesOptions): (findings: readonly Finding[]) => void {
  let before: readonly Finding[] = []
  let subject: EventSubject | undefined
  const pod = async (): Promise<EventSubject> => {
    if (subject !== undefined) return subject
    const found = await client.get(resourceOf('Pod'), { namespace, name: podName })
    const uid = found.ok ? (found.value.metadata.uid ?? '') : ''
    const about = { apiVersion: 'v1', kind: 'Pod', namespace, name: podName, uid }
    // Without it `kubectl describe` does not find the event: asked for again the next time.
    if (uid !== '') subject = about
    return about
  }
  return (findings) => {
    const now = findings.filter(({ code }) => code.startsWith('LTN04') || code.startsWith('LTN05'))
    const known = before
    before = now
    if (now.every((found) => known.includes(found))) return
    ignore(
      pod().then((regarding) => tell(ownTroubles(regarding, known, now))),
      'an event that is lost: the log and the status API have it',
    )
  }
}
