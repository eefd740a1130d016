// A stock Envoy driven by our control plane over delta ADS and mutual TLS: it accepts everything that we send, follows a change, and
// shows up in sync. Envoy is the judge of what we generate and of how we speak the protocol.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sidecarBootstrap } from '../../src/standalone/bootstrap.ts'
import { claimMeshNumber } from '../../src/standalone/free-ports.ts'
import { askDesiredMesh } from '../../src/standalone/mesh-api.ts'
import { connectMesh } from '../../src/standalone/mesh-client.ts'
import { requireEnvoy, startEnvoy } from '../harness/envoy.ts'
import { freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'
import { priceRoute, SHOP, startTestMesh, type TestMesh } from './support/mesh.ts'

/** Our sidecar's bootstrap with the certificates inline, because Envoy has no join token. */
async function envoyBootstrap(mesh: TestMesh, adminPort: number, apiType: string): Promise<Record<string, unknown>> {
  const { keyPem, chainPem } = await mesh.join('cart')
  const { addresses } = await askDesiredMesh(connectMesh(mesh.controlPlane.socket))
  const own = addresses.workloads['default/cart-v1']
  assert.ok(own !== undefined)
  const bootstrap = sidecarBootstrap({
    ...{ namespace: 'default', name: 'cart-v1', workload: 'cart-v1', serviceAccount: 'cart', labels: { app: 'cart', version: 'v1' } },
    addresses: { ...own, admin: { host: '127.0.0.1', port: adminPort } },
    xds: { host: '127.0.0.1', port: mesh.controlPlane.port },
    ...{ controlPlaneSan: 'istiod.istio-system.svc', version: '0.0.0-test' },
  })
  const resources = bootstrap.static_resources
  assert.ok(typeof resources === 'object' && resources !== null)
  const secrets = [
    { name: 'default', tls_certificate: { certificate_chain: { inline_string: chainPem }, private_key: { inline_string: keyPem } } },
    { name: 'ROOTCA', validation_context: { trusted_ca: { inline_string: mesh.controlPlane.rootPem } } },
  ]
  const dynamic = bootstrap.dynamic_resources
  assert.ok(typeof dynamic === 'object' && dynamic !== null && 'ads_config' in dynamic)
  const adsConfig = { ...Object(dynamic.ads_config), api_type: apiType }
  return { ...bootstrap, dynamic_resources: { ...dynamic, ads_config: adsConfig }, static_resources: { ...resources, secrets } }
}

interface Proxy {
  readonly types: Readonly<Record<string, { readonly state: string; readonly rejection?: unknown }>>
}

async function proxies(mesh: TestMesh): Promise<readonly Proxy[]> {
  return (await mesh.ask('GET', '/v1/proxies')).body.proxies as readonly Proxy[]
}

async function allSynced(mesh: TestMesh): Promise<boolean> {
  const [proxy] = await proxies(mesh)
  assert.equal(JSON.stringify(proxy ?? '').includes('rejection'), false, JSON.stringify(proxy, null, 1))
  return proxy !== undefined && ['CDS', 'LDS', 'RDS'].every((type) => proxy.types[type]?.state === 'SYNCED')
}

for (const apiType of ['DELTA_GRPC', 'GRPC']) {
  test(`over ${apiType} a stock Envoy accepts everything, follows a shifted route, and comes back after a restart of the control plane`, async (t) => {
    const binary = requireEnvoy(t)
    if (binary === undefined) return
    // Envoy listens on the addresses of the plan, beside whatever other meshes this machine runs.
    const number = await claimMeshNumber(undefined)
    t.after(() => number.release())
    const mesh = await startTestMesh(t, SHOP, number.mesh)
    await mesh.ask('POST', '/v1/ready', { ready: ['default/cart-v1', 'default/price-v1', 'default/price-v2'] })
    const [adminPort = 0] = await freePorts(1)
    const envoy = await startEnvoy(binary, await envoyBootstrap(mesh, adminPort, apiType), adminPort)
    t.after(() => envoy.stop())
    await waitFor(() => allSynced(mesh), { what: 'Envoy in sync' })

    const routesOfEnvoy = async (): Promise<string> =>
      (await fetch(`http://127.0.0.1:${adminPort}/config_dump?resource=dynamic_route_configs`)).text()
    const hasWeights = async (v1: number, v2: number): Promise<boolean> => {
      const weights = [...(await routesOfEnvoy()).matchAll(/"weight": (\d+)/g)].map(([, weight]) => Number(weight))
      return weights.includes(v1) && weights.includes(v2)
    }
    await waitFor(() => hasWeights(90, 10), { what: 'the first weights' })
    mesh.write('routes.yaml', priceRoute(75, 25))
    await waitFor(() => hasWeights(75, 25), { what: 'the shifted weights' })

    await mesh.restart()
    mesh.write('routes.yaml', priceRoute(55, 45))
    await waitFor(() => hasWeights(55, 45), { what: 'a change after the restart' })
    await waitFor(() => allSynced(mesh), { what: 'Envoy in sync again' })
  })
}
