// What is said of the mesh, in a cluster: every replica reports what its proxies run, the leader writes it into statuses. Opened by start.ts.
// Invariant: what leads follows the Lease alone; a replica that leads no more says nothing from that moment on.
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/log.ts'
import type { Random } from '../../../base/random.ts'
import type { SpiffeId } from '../../../identity/spiffe-id.ts'
import type { KubeClient } from '../../../kube/client.ts'
import type { Election } from '../../../kube/lease.ts'
import type { Certificates } from '../certificates.ts'
import type { CurrentMesh } from '../mesh-loop.ts'
import type { MeshFollower, MeshServerOptions } from '../mesh-server.ts'
import { leaderAddress, openReplicaDigests } from '../replica-digests.ts'
import { openStatuses } from '../statuses.ts'
import { createOwnTroubles } from './own-troubles.ts'

export interface TruthOptions {
  readonly client: KubeClient
  readonly election: Election
  readonly certificates: Certificates
  /** The control plane's own. */
  readonly identity: SpiffeId
  readonly namespace: string
  readonly podName: string
  readonly watchNamespaces: readonly string[]
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export function openTruth(options: TruthOptions): NonNullable<MeshServerOptions['follow']> {
  const { election, certificates, podName, watchNamespaces } = options
  return ({ xds, compiler }): MeshFollower => {
    let current: CurrentMesh | undefined
    const digests = openReplicaDigests({
      ...options,
      replica: podName,
      compiler,
      xds,
      identity: () => options.identity,
      certificate: () => certificates.tls.certificate.value,
      rootsPem: () => certificates.rootsPem,
      trust: certificates.trust,
      changed: (objects) => statuses.changed(objects),
    })
    const statuses = openStatuses({
      ...options,
      current: () => current,
      board: digests.board,
      isLeader: () => election.isLeader(),
      namespaces: watchNamespaces.length === 0 ? undefined : watchNamespaces,
      instance: podName,
    })
    const troubles = createOwnTroubles({ ...options, tell: (events) => statuses.kept.tell(events) })
    const follow = (): void => {
      const leads = election.term.value !== undefined
      digests.setLeader(leads ? 'self' : leaderAddress(election.holder.value))
      if (leads) statuses.lead()
      else statuses.resign()
    }
    const unwatch = [election.term.watch(follow), election.holder.watch(follow)]
    follow()
    return {
      services: [digests.service],
      compiled(round, now) {
        current = now
        digests.compiled(round, now.state)
        statuses.compiled()
        troubles([...certificates.findings(), ...now.findings.ofReading])
      },
      absent: () => digests.absent(),
      async stop() {
        for (const stop of unwatch) stop()
        digests.stop()
        await statuses.stop()
      },
    }
  }
}
