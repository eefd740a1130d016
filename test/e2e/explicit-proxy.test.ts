// A namespace in which nobody may have NET_ADMIN: no iptables, the application is told of its proxy by HTTP_PROXY. Its calls are in the mesh,
// with its identity; calls to it are not, and callers know that.
import assert from 'node:assert/strict'
import { apply } from './harness/kubectl.ts'
import { namespaceOf, story } from './harness/story.ts'
import { type Answer, callerIn, deploy } from './harness/workloads.ts'

const STRICT = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default' },
  spec: { mtls: { mode: 'STRICT' } },
}

const RESTRICTED = { 'istio-injection': 'enabled', 'pod-security.kubernetes.io/enforce': 'restricted' }

/** What Pod Security 'restricted' asks of the application itself. */
const UNPRIVILEGED = {
  securityContext: {
    runAsNonRoot: true,
    runAsUser: 1000,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  },
}

/** The headers that the application was sent. */
function headersOf({ body }: Answer): Readonly<Record<string, string>> {
  return (JSON.parse(body) as { readonly headers: Readonly<Record<string, string>> }).headers
}

story(
  'explicit',
  "a pod under Pod Security 'restricted' calls a STRICT service through its proxy, as itself",
  async ({ namespace }, t) => {
    const servers = await namespaceOf(t, 'explicit-servers')
    await apply([STRICT], servers)
    await deploy(servers, { name: 'server' }, { name: 'visitor' })
    const annotations = { 'sidecar.istio.io/interceptionMode': 'NONE' }
    await deploy(namespace, { name: 'client', annotations, container: UNPRIVILEGED })
    const client = await callerIn(namespace, 'app=client')
    const url = `http://server.${servers}:8080/`

    const answer = await client.call({ url })
    assert.equal(answer.status, 200, answer.body)
    assert.match(headersOf(answer)['x-forwarded-client-cert'] ?? '', new RegExp(`URI=spiffe://cluster.local/ns/${namespace}/sa/client`))

    const past = await client.call({ url, proxied: false })
    assert.equal(past.status, 400, 'past its proxy it is nobody')
    assert.match(past.body, /only mutual TLS/)

    const visitor = await callerIn(servers, 'app=visitor')
    const visit = await visitor.call({ url: `http://client.${namespace}:8080/` })
    assert.equal(visit.status, 200, visit.body)
    assert.equal(headersOf(visit)['x-forwarded-client-cert'], undefined, 'nothing is redirected to a proxy, so callers speak plaintext')
  },
  { labels: RESTRICTED },
)
