// What people and their tools ask a control plane in a cluster: metrics for everybody, statuses on the loopback alone. Opened by start.ts when
// there is something to say.
import type { Finding } from '../../../api/finding.ts'
import type { Logger } from '../../../base/log.ts'
import type { Election } from '../../../kube/lease.ts'
import type { WebhookServer } from '../../../webhook/server.ts'
import type { Certificates } from '../certificates.ts'
import { createJsonServer } from '../http-json.ts'
import { closed, listenOnPort } from '../listen.ts'
import type { MeshServer } from '../mesh-server.ts'
import { formatXdsMetrics } from '../metrics.ts'
import { readRoutes } from '../status-api.ts'
import type { Health } from './health.ts'
import type { KubernetesOptions } from './options.ts'

export interface PeoplesPortsOptions extends KubernetesOptions {
  readonly version: string
  readonly election: Election
  readonly server: MeshServer
  readonly certificates: Certificates
  readonly webhook: WebhookServer
  readonly health: Health
  readonly log: Logger
}

/** A cluster's objects have no lines in files. */
export const NO_PLACES = { locate: (findings: readonly Finding[]) => Promise.resolve(findings) }

export async function openPeoplesPorts(options: PeoplesPortsOptions): Promise<{ readonly stop: () => Promise<void> }> {
  const { version, revision, namespace, election, server, certificates, webhook, health, log } = options
  await using opened = new AsyncDisposableStack()
  const monitoring = createJsonServer(
    {
      'GET /metrics': () => ({
        status: 200,
        body: certificates.metrics() + formatXdsMetrics(server.xds, server.loop.rounds) + webhook.metrics(),
      }),
      'GET /version': () => ({ status: 200, body: { version, revision } }),
      'GET /ready': () => ({ status: health.waitingFor === '' ? 200 : 503, body: 'ready\n' }),
    },
    log,
  )
  opened.defer(() => closed(monitoring))
  await listenOnPort(monitoring, options.listen.host, options.monitoringPort, 0)
  const about = () => ({
    ...{ version, revision, namespace, replica: options.podName, isLeader: election.isLeader() },
    xds: { host: options.podAddress, port: server.port },
  })
  const status = createJsonServer(readRoutes({ about, source: NO_PLACES, ...server, ownFindings: () => certificates.findings() }), log)
  opened.defer(() => closed(status))
  // Never elsewhere: who reaches it is not asked who he is (docs/decisions/status-over-port-forward.md).
  await listenOnPort(status, '127.0.0.1', options.statusPort, 0)
  const running = opened.move()
  return { stop: () => running.disposeAsync() }
}
