// Virtual hosts as resources of their own, with a real Envoy over delta ADS: what it takes, keeps, forgets and refuses. Envoy counts a
// virtual host as received whether or not anybody waited for it, so the order in which our server sends is what these tests are about.
import assert from 'node:assert/strict'
import { get } from 'node:http'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { contentHash } from '../../src/base/content-hash.ts'
import { createLogger } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import { any, type MessageName, typeUrl } from '../../src/envoy/any.ts'
import { fullCodec } from '../../src/envoy/full-codec.ts'
import type { MessageTypes, VirtualHost } from '../../src/envoy/generated/messages.gen.ts'
import { resourceTypes } from '../../src/envoy/type-urls.ts'
import { ADS } from '../../src/xds/generate/config-source.ts'
import { allShared, type EncodedResource, type ServedResources } from '../../src/xds/generate/resources.ts'
import { createXdsServer, type XdsServer } from '../../src/xds/serve/ads-server.ts'
import { startGrpcServer } from '../../src/xds/serve/grpc-server.ts'
import { requireEnvoy, startEnvoy } from '../harness/envoy.ts'
import { freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'

interface Piece {
  readonly typeUrl: string
  readonly name: string
  readonly bytes: Uint8Array
}

function piece<K extends MessageName>(type: K, name: string, message: MessageTypes[K]): Piece {
  return { typeUrl: typeUrl(type), name, bytes: fullCodec.encode(type, message) }
}

/** Answers with its own name, so that a test sees which one it met. */
function host(table: string, name: string, body = name, more: VirtualHost = {}): Piece {
  const resource = `${table}/${name}`
  const routes = [{ match: { prefix: '/' }, directResponse: { status: 200, body: { inlineString: body } } }]
  return piece('envoy.config.route.v3.VirtualHost', resource, { name: resource, domains: [name], routes, ...more })
}

function table(name: string, maxDirectResponseBodySizeBytes = 4096): Piece {
  return piece('envoy.config.route.v3.RouteConfiguration', name, { name, maxDirectResponseBodySizeBytes, vhds: { configSource: ADS } })
}

function listener(port: number, routeConfigName: string): Piece {
  const manager = any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    statPrefix: 'test',
    rds: { configSource: ADS, routeConfigName },
    httpFilters: [{ name: 'envoy.filters.http.router', typedConfig: any('envoy.extensions.filters.http.router.v3.Router', {}) }],
  })
  return piece('envoy.config.listener.v3.Listener', `l${port}`, {
    name: `l${port}`,
    address: { socketAddress: { address: '127.0.0.1', portValue: port } },
    filterChains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typedConfig: manager }] }],
  })
}

function served(pieces: readonly Piece[]): ServedResources {
  const byType = new Map(resourceTypes.map((type) => [type as string, new Map<string, EncodedResource>()]))
  for (const { typeUrl: type, name, bytes } of pieces) byType.get(type)?.set(name, { version: contentHash(bytes), bytes })
  return allShared(byType)
}

interface Lab {
  serve(...pieces: readonly Piece[]): void
  /** Ends the stream; Envoy comes back and says what it has. */
  cut(): void
  /** What a host is answered, until it is this. */
  meets(port: number, name: string, answer: string): Promise<void>
  readonly xds: XdsServer
  readonly ports: readonly number[]
}

async function lab(t: TestContext): Promise<Lab | undefined> {
  const binary = requireEnvoy(t)
  if (binary === undefined) return undefined
  let resources = served([])
  const log = createLogger({ level: 'error', format: 'text', write: () => undefined, nowMs: () => 0 })
  const xds = createXdsServer({
    resourcesFor: () => resources,
    trust: () => ({ trustDomain: 'cluster.local', bundle: { pem: '', certificates: [] } }) as never,
    plaintext: true,
    ...{ clock: systemClock, log },
  })
  const grpc = await startGrpcServer({
    ...{ host: '127.0.0.1', port: 0, tls: undefined, clock: systemClock, random: systemRandom, services: [xds.service] },
  })
  t.after(() => grpc.close())
  const [adminPort = 0, ...ports] = await freePorts(3)
  const envoy = await startEnvoy(binary, bootstrap(adminPort, grpc.port), adminPort)
  t.after(() => envoy.stop())
  return {
    serve(...pieces) {
      resources = served(pieces)
      xds.update()
    },
    cut: () => xds.close(),
    async meets(port, name, answer) {
      let last = ''
      const met = async (): Promise<boolean> => {
        last = await ask(port, name)
        return last === answer
      }
      await waitFor(met, { what: `${name} on ${port} answers '${answer}', not '${last}'` })
    },
    xds,
    ports,
  }
}

function bootstrap(adminPort: number, xdsPort: number): Record<string, unknown> {
  const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } })
  const http2 = {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  }
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(xdsPort) } }] }]
  const ads = { ads: {}, resource_api_version: 'V3' }
  const services = [{ envoy_grpc: { cluster_name: 'xds' } }]
  return {
    node: { id: 'sidecar~10.0.0.1~a.default~default.svc.cluster.local', cluster: 'test' },
    admin: { address: address(adminPort) },
    dynamic_resources: {
      ads_config: { api_type: 'DELTA_GRPC', transport_api_version: 'V3', grpc_services: services },
      ...{ lds_config: ads, cds_config: ads },
    },
    static_resources: {
      clusters: [
        { name: 'xds', type: 'STATIC', typed_extension_protocol_options: http2, load_assignment: { cluster_name: 'xds', endpoints } },
      ],
    },
  }
}

/** Status and body; a connection that is refused is an answer too. */
function ask(port: number, name: string): Promise<string> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, headers: { host: name }, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.on('end', () => resolve(`${response.statusCode} ${body}`))
    })
    request.on('error', (error) => resolve(error.message))
  })
}

test('Envoy takes, changes and forgets virtual hosts one by one, also of a table that comes with them, and across a new stream', async (t) => {
  const envoy = await lab(t)
  if (envoy === undefined) return
  const [one = 0, two = 0] = envoy.ports
  const base = [listener(one, '80'), table('80'), host('80', 'a'), host('80', 'b'), host('80', 'rest', 'rest', { domains: ['*'] })]

  envoy.serve(...base)
  await envoy.meets(one, 'a', '200 a')
  envoy.serve(...base.slice(0, 2), host('80', 'a', 'changed'), ...base.slice(3))
  await envoy.meets(one, 'a', '200 changed')
  envoy.serve(...base, host('80', 'c'))
  await envoy.meets(one, 'c', '200 c')
  envoy.serve(...base)
  await envoy.meets(one, 'c', '200 rest')

  // Listener, table and virtual hosts in one update: the hosts must not come before Envoy waits for them.
  envoy.serve(...base, listener(two, '81'), table('81'), host('81', 'd'))
  await envoy.meets(two, 'd', '200 d')

  const moved = host('80', 'e', 'moved', { domains: ['a'] })
  envoy.serve(...base.slice(0, 2), ...base.slice(3), moved, listener(two, '81'), table('81', 8192), host('81', 'd'))
  await envoy.meets(one, 'a', '200 moved')
  await envoy.meets(two, 'd', '200 d')

  const pushed = envoy.xds.metrics.pushedBytes
  envoy.cut()
  envoy.serve(...base.slice(0, 2), ...base.slice(3), moved, listener(two, '81'), table('81', 8192), host('81', 'd', 'new'))
  await envoy.meets(two, 'd', '200 new')
  await envoy.meets(one, 'a', '200 moved')
  assert.ok(envoy.xds.metrics.pushedBytes - pushed < 1000, 'what Envoy holds is not sent again')

  // A listener that goes and comes back.
  envoy.serve(...base)
  await envoy.meets(two, 'd', `connect ECONNREFUSED 127.0.0.1:${two}`)
  envoy.serve(...base, listener(two, '81'), table('81'), host('81', 'd'))
  await envoy.meets(two, 'd', '200 d')
})

test('what Envoy refused together with a wrong virtual host comes again when that one is right', async (t) => {
  const envoy = await lab(t)
  if (envoy === undefined) return
  const [one = 0] = envoy.ports
  const base = [listener(one, '80'), table('80'), host('80', 'rest', 'rest', { domains: ['*'] })]
  envoy.serve(...base, host('80', 'a'))
  await envoy.meets(one, 'a', '200 a')

  envoy.serve(...base, host('80', 'a', 'changed'), host('80', 'twice', 'twice', { domains: ['a'] }))
  await waitFor(() => envoy.xds.metrics.rejections > 0, { what: 'a refusal' })
  await envoy.meets(one, 'a', '200 a')
  envoy.serve(...base, host('80', 'a', 'changed'), host('80', 'twice'))

  await envoy.meets(one, 'a', '200 changed')
  await envoy.meets(one, 'twice', '200 twice')
  await waitFor(() => envoy.xds.statuses().every(({ types }) => types.VHDS?.state === 'SYNCED'), { what: 'the refusal is settled' })
})
