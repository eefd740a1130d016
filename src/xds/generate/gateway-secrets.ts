// Which secrets of users a gateway needs: a Secret of each name, without content. Called per gateway workload.
// Invariant: keys are not known here. Whoever serves puts the content in (serve/secrets.ts), and only for names that stand here; so a
// proxy can get no secret but those that a Gateway or a DestinationRule has its gateway use.
import { credentialSecretName } from '../../envoy/names.ts'
import type { GatewayServer } from '../../model/gateway.ts'
import type { ProxyView } from '../view/proxy-view.ts'
import { authoritiesSecretOf } from './gateway-tls.ts'
import type { Resource } from './resources.ts'

export function gatewaySecrets({ gateway }: ProxyView): readonly Resource[] {
  if (gateway === undefined) return []
  const { pairs, authorities } = gateway.clientSecrets
  const ofServers = gateway.listeners.flatMap(({ servers }) => servers.flatMap(({ server }) => secretsOf(server)))
  const ofClients = [...pairs, ...authorities.map((name) => `${name}-cacert`)].map(credentialSecretName)
  return [...new Set([...ofServers, ...ofClients])].map((name) => ({
    type: 'envoy.extensions.transport_sockets.tls.v3.Secret',
    name,
    message: { name },
  }))
}

function secretsOf({ tls }: GatewayServer): readonly string[] {
  if (tls === undefined || !('certificates' in tls)) return []
  const pairs = tls.certificates.flatMap((each) => (each.kind === 'secret' ? [credentialSecretName(each.name)] : []))
  const authorities = tls.authorities?.kind === 'secret' ? [authoritiesSecretOf(tls.authorities)] : []
  return [...pairs, ...authorities]
}
