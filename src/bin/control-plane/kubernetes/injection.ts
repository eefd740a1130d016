// The webhook of a control plane in a cluster: its configuration file is watched, what the cluster has comes from informers. Opened by start.ts.

import { checkApiObject } from '../../../api/check-object.ts'
import type { CheckOptions } from '../../../api/check-options.ts'
import type { Finding } from '../../../api/finding.ts'
import { isRecord } from '../../../api/record.ts'
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/log.ts'
import type { Random } from '../../../base/random.ts'
import type { ReadonlyWatchable } from '../../../base/watchable.ts'
import type { KubeClient } from '../../../kube/client.ts'
import { startInformer } from '../../../kube/informer.ts'
import { resourceOf } from '../../../kube/resource.ts'
import type { IngestState } from '../../../operator/ingest/config-source.ts'
import type { InjectorConfig } from '../../../webhook/injector-config.ts'
import { type InjectionMesh, withMeshSpec } from '../../../webhook/mesh-config.ts'
import { haveNativeSidecars } from '../../../webhook/native-sidecars.ts'
import { startWebhook, type WebhookServer } from '../../../webhook/server.ts'

export interface InjectionOptions {
  readonly client: KubeClient
  readonly source: ReadonlyWatchable<IngestState>
  readonly check: CheckOptions
  readonly config: ReadonlyWatchable<InjectorConfig>
  readonly certificateFolder: string
  readonly host: string
  readonly port: number
  readonly version: string
  /** Of the mesh since it started. */
  readonly trustDomain: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export async function startInjection(options: InjectionOptions): Promise<WebhookServer> {
  const { client, source, clock, random, log, config, trustDomain } = options
  await using opened = new AsyncDisposableStack()
  const nodes = startInformer<string>({ client, clock, random, log, resource: resourceOf('Node'), reduce: kubeletVersion })
  opened.defer(() => nodes.stop())
  await nodes.synced
  const server = await startWebhook({
    host: options.host,
    port: options.port,
    certificateFolder: options.certificateFolder,
    ...{ clock, log, version: options.version },
    config: () => injectionMesh(config.value, source.value, trustDomain).config,
    meshDefaults: () => injectionMesh(config.value, source.value, trustDomain).meshDefaults,
    nativeSidecars: () => haveNativeSidecars(nodes.current.values()),
    validate: (object) => findingsOf(object, options.check),
  })
  const running = opened.move()
  return {
    port: server.port,
    metrics: () => server.metrics(),
    lookAtCertificate: () => server.lookAtCertificate(),
    async close() {
      await server.close()
      await running.disposeAsync()
    },
  }
}

function kubeletVersion({ status }: { readonly [field: string]: unknown }): string | undefined {
  const info = isRecord(status) ? status.nodeInfo : undefined
  return isRecord(info) && typeof info.kubeletVersion === 'string' ? info.kubeletVersion : undefined
}

/** With the MeshConfig in force; what is wrong with it is said elsewhere, and leaves the injector's own. The trust domain is the one that
 *  certificates are issued for: a pod that asks for another would not start. */
export function injectionMesh(config: InjectorConfig, { state }: IngestState, trustDomain: string): InjectionMesh {
  const [mesh] = state.objects.MeshConfig.values()
  const made = isRecord(mesh?.spec) ? withMeshSpec(config, mesh.spec) : undefined
  const { config: merged, meshDefaults } = made?.ok === true ? made.value : { config, meshDefaults: {} }
  return { config: { ...merged, trustDomain }, meshDefaults }
}

/** What is wrong with an object by itself; what it is in the mesh stands in its status. */
function findingsOf(object: unknown, check: CheckOptions): readonly Finding[] {
  return checkApiObject(object, () => undefined, undefined, check).findings
}
