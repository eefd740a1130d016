// What the composition roots do with users' credentials: gateways are told of changes, and people of what is missing.
// Invariant: only the gateways of a namespace are looked at when a credential of it changes.
import type { Finding } from '../../api/finding.ts'
import type { KindName } from '../../api/kinds.ts'
import { type FindCredential, type GatewayWorkload, gatewayCredentialFindings } from '../../operator/compile/gateway-credentials.ts'
import { isGatewayPod } from '../../operator/compile/pod-proxy.ts'
import type { KubeState } from '../../operator/ingest/kube-state.ts'
import type { XdsServer } from '../../xds/serve/ads-server.ts'
import { nodeKey } from './compile-protocol.ts'

/** Where credentials come from: users' files, or a cluster's Secrets. */
export interface Credentials {
  readonly credentialOf: FindCredential
  /** Told of the namespaces in which something has changed. The result ends it. */
  watch(changed: (namespaces: ReadonlySet<string>) => void): () => void
}

/** The result ends it. */
export function pushCredentials(credentials: Pick<Credentials, 'watch'>, xds: Pick<XdsServer, 'nodes' | 'update'>): () => void {
  return credentials.watch((namespaces) => {
    xds.update(
      xds
        .nodes()
        .filter(({ type, namespace }) => type === 'router' && namespaces.has(namespace))
        .map(nodeKey),
    )
  })
}

export function credentialFindings({ objects }: KubeState, credentialOf: FindCredential): readonly Finding[] {
  return objects.Gateway.size === 0 ? [] : gatewayCredentialFindings(objects.Gateway.values(), gatewaysIn(objects), credentialOf)
}

/** Whose findings these objects change. */
export const KINDS_OF_GATEWAYS: readonly KindName[] = ['Gateway', 'Pod', 'LocalWorkload']

function gatewaysIn({ LocalWorkload, Pod }: KubeState['objects']): readonly GatewayWorkload[] {
  const gateways: GatewayWorkload[] = []
  for (const { metadata, spec } of LocalWorkload.values())
    if (spec.gateway === true)
      gateways.push({ namespace: metadata.namespace, serviceAccount: spec.serviceAccount ?? 'default', labels: metadata.labels })
  for (const pod of Pod.values()) {
    if (!isGatewayPod(pod)) continue
    const { namespace, labels } = pod.metadata
    gateways.push({ namespace, serviceAccount: pod.spec.serviceAccountName || 'default', labels })
  }
  return gateways
}
