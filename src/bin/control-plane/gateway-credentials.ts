// What the composition roots do with users' credentials: gateways are told of changes, and people of what is missing.
// Invariant: only the gateways of a namespace are looked at when a credential of it changes.
import type { Finding } from '../../api/finding.ts'
import { gatewayCredentialFindings } from '../../operator/compile/gateway-credentials.ts'
import type { CredentialBook } from '../../operator/ingest/credential-book.ts'
import type { KubeState } from '../../operator/ingest/kube-state.ts'
import type { XdsServer } from '../../xds/serve/ads-server.ts'
import { nodeKey } from './compile-protocol.ts'

/** The result ends it. */
export function pushCredentials(credentials: CredentialBook, xds: Pick<XdsServer, 'nodes' | 'update'>): () => void {
  return credentials.watch((namespaces) => {
    xds.update(
      xds
        .nodes()
        .filter(({ type, namespace }) => type === 'router' && namespaces.has(namespace))
        .map(nodeKey),
    )
  })
}

/** Of a standalone mesh, whose gateways are LocalWorkloads. */
export function credentialFindings({ objects }: KubeState, { credentialOf }: CredentialBook): readonly Finding[] {
  const gateways = [...objects.LocalWorkload.values()].filter(({ spec }) => spec.gateway === true)
  const serving = gateways.map(({ metadata: { namespace, labels } }) => ({ namespace, labels }))
  return gatewayCredentialFindings(objects.Gateway.values(), serving, credentialOf)
}
