// The way out: with REGISTRY_ONLY an unknown host is refused by name, a ServiceEntry opens it, and an egress gateway can be put in between.
// The outside is a server of this test, in the machine's own network; the client's pod knows its name by a line in /etc/hosts.
import assert from 'node:assert/strict'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { waitFor } from '../harness/wait.ts'
import { apply, awaitCondition, kubectl, readyPods } from './harness/kubectl.ts'
import { SYSTEM, story } from './harness/story.ts'
import { type Answer, type Caller, callerIn, deploy } from './harness/workloads.ts'

/** This machine, as pods see it. */
const OUTSIDE = process.env.LATEEN_E2E_OUTSIDE ?? '198.51.100.1'
/** Of HTTP in every mesh with an ingress gateway; the outside listens on a port of its own behind it. */
const HTTP_PORT = 80
const EGRESS = `lateen-egressgateway.${SYSTEM}.svc.cluster.local`

const REGISTRY_ONLY = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'Sidecar',
  metadata: { name: 'default' },
  spec: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' }, egress: [{ hosts: ['./*', `${SYSTEM}/*`] }] },
}

/** What the outside saw of a request. */
interface Seen {
  readonly outside: true
  readonly from: string | undefined
  readonly headers: Readonly<Record<string, unknown>>
}

async function outside(t: TestContext): Promise<number> {
  const server = http.createServer(({ socket, headers }, response) => {
    const seen: Seen = { outside: true, from: socket.remoteAddress, headers }
    response.end(JSON.stringify(seen))
  })
  await new Promise<void>((resolve) => server.listen(0, OUTSIDE, resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  // A TCP server's address is never a path.
  return (server.address() as AddressInfo).port
}

function serviceEntry(host: string, port: number): object {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'outside' },
    spec: {
      hosts: [host],
      location: 'MESH_EXTERNAL',
      resolution: 'STATIC',
      ports: [{ number: HTTP_PORT, targetPort: port, name: 'http', protocol: 'HTTP' }],
      endpoints: [{ address: OUTSIDE }],
    },
  }
}

/** Istio's three objects: the gateway takes the host over mutual TLS, clients go to the gateway, the gateway goes out. */
function throughTheGateway(host: string): readonly object[] {
  return [
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'Gateway',
      metadata: { name: 'way-out' },
      spec: {
        selector: { istio: 'egressgateway' },
        servers: [{ port: { number: 443, name: 'https', protocol: 'HTTPS' }, hosts: [host], tls: { mode: 'ISTIO_MUTUAL' } }],
      },
    },
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'DestinationRule',
      metadata: { name: 'to-the-way-out' },
      spec: {
        host: EGRESS,
        subsets: [
          {
            name: 'outside',
            trafficPolicy: { portLevelSettings: [{ port: { number: 443 }, tls: { mode: 'ISTIO_MUTUAL', sni: host } }] },
          },
        ],
      },
    },
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'outside' },
      spec: {
        hosts: [host],
        gateways: ['mesh', 'way-out'],
        http: [
          {
            match: [{ gateways: ['mesh'], port: HTTP_PORT }],
            route: [{ destination: { host: EGRESS, subset: 'outside', port: { number: 443 } } }],
          },
          { match: [{ gateways: ['way-out'], port: 443 }], route: [{ destination: { host: host, port: { number: HTTP_PORT } } }] },
        ],
      },
    },
  ]
}

async function clientOf(namespace: string, host: string): Promise<Caller> {
  await deploy(namespace, { name: 'client', spec: { hostAliases: [{ ip: OUTSIDE, hostnames: [host] }] } })
  return callerIn(namespace, 'app=client')
}

function answered(call: () => Promise<Answer>, what: string): Promise<Answer> {
  return waitFor(
    async () => {
      const answer = await call()
      return answer.status === 200 && answer
    },
    { what, timeoutMs: 10_000 },
  )
}

// What `outside` writes.
const seenBy = ({ body }: Answer): Seen => JSON.parse(body) as Seen

story('egress', 'REGISTRY_ONLY refuses an unknown host and says which; a ServiceEntry opens it', async ({ namespace }, t) => {
  const host = `${namespace}.example`
  const port = await outside(t)
  await apply([REGISTRY_ONLY], namespace)
  const client = await clientOf(namespace, host)
  const refused = await client.call({ url: `http://${host}/` })
  assert.equal(refused.status, 502, refused.body)
  assert.match(refused.body, /REGISTRY_ONLY/)
  assert.equal(refused.headers['x-lateen-deny'], `registry-only; host="${host}"`)
  assert.match(await kubectl('logs', client.pod, '-c', 'lateen-proxy', '-n', namespace), new RegExp(`502 .*${host}`))

  const elsewhere = await client.call({ url: `http://${host}:${port}/` })
  assert.equal(elsewhere.status, 0, 'a port that nobody declares: the connection is closed')
  const log = await kubectl('logs', client.pod, '-c', 'lateen-proxy', '-n', namespace)
  assert.match(log, new RegExp(`BlackHoleCluster .*${OUTSIDE}:${port}`), 'and the log says where to')

  await apply([serviceEntry(host, port)], namespace)
  const open = await answered(() => client.call({ url: `http://${host}/` }), 'the way out')
  assert.equal(seenBy(open).outside, true)
})

story('egress-gateway', 'what goes out goes through the egress gateway, which knows who asks', async ({ namespace }, t) => {
  const host = `${namespace}.example`
  const port = await outside(t)
  await apply([REGISTRY_ONLY, serviceEntry(host, port)], namespace)
  const client = await clientOf(namespace, host)
  const direct = await answered(() => client.call({ url: `http://${host}/direct` }), 'the way out')
  const [gateway] = await readyPods(SYSTEM, 'istio=egressgateway')
  const address = gateway?.status?.podIP
  assert.notEqual(seenBy(direct).from, address)

  await apply(throughTheGateway(host), namespace)
  const programmed = ({ type, status }: { readonly type: string; readonly status: string }): boolean =>
    type === 'Programmed' && status === 'True'
  await awaitCondition('virtualservice', 'outside', namespace, programmed, 'programmed')
  await awaitCondition('gateway.networking.istio.io', 'way-out', namespace, programmed, 'programmed')
  const through = await answered(() => client.call({ url: `http://${host}/through` }), 'the way through the gateway')
  assert.equal(seenBy(through).from, address)
  assert.match(String(seenBy(through).headers['x-forwarded-client-cert']), new RegExp(`ns/${namespace}/sa/client`))
  const lines = await waitFor(
    async () => {
      const log = await kubectl('logs', gateway?.metadata.name ?? '', '-n', SYSTEM, '--tail=200')
      const found = log.split('\n').filter((line) => line.includes(host))
      return found.some((line) => line.includes('/through')) && found
    },
    { what: "the request in the gateway's log", timeoutMs: 5000 },
  )
  for (const line of lines) {
    assert.match(line, /"GET \/through HTTP\/1\.1" 200 /)
    assert.match(line, new RegExp(`outbound\\|${HTTP_PORT}\\|\\|${host}`))
  }
})
