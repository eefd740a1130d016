// An upgrade that changes what a gateway is rolls through its pods with `helm upgrade`, and costs no request that comes in through it.
import assert from 'node:assert/strict'
import { assertNoneLost, describeLoad } from '../../harness/accounting.ts'
import { apply, awaitCondition, type Condition, readyPods } from '../harness/kubectl.ts'
import { RELEASE, upgrade, valuesOfRelease } from '../harness/release.ts'
import { SYSTEM, story } from '../harness/story.ts'
import { callerIn, deploy } from '../harness/workloads.ts'

const HOST = 'way-in.test'
const SECONDS = 40

const WAY_IN = [
  {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'way-in' },
    spec: {
      selector: { istio: 'ingressgateway' },
      servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: [HOST] }],
    },
  },
  {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'way-in' },
    spec: {
      ...{ hosts: [HOST], gateways: ['way-in'] },
      http: [{ route: [{ destination: { host: 'server', port: { number: 8080 } } }], retries: { attempts: 0 } }],
    },
  },
]

const podsOfGateway = async (): Promise<readonly string[]> =>
  (await readyPods(SYSTEM, 'istio=ingressgateway')).map(({ metadata }) => metadata.name).sort()

story('gateway-upgrade', 'an upgrade that rolls the ingress gateway loses no request', async ({ namespace }, t) => {
  await apply(WAY_IN, namespace)
  // From outside of the mesh: the gateway is its only proxy.
  await deploy(namespace, { name: 'outside', labels: { 'sidecar.istio.io/inject': 'false' } }, { name: 'server', replicas: 2 })
  const inForce = (condition: Condition): boolean => condition.type === 'Programmed' && condition.status === 'True'
  await awaitCondition('virtualservice', 'way-in', namespace, inForce, 'programmed')
  const outside = await callerIn(namespace, 'app=outside')
  const values = await valuesOfRelease()
  const before = await podsOfGateway()
  const load = outside.load({
    ...{ host: `lateen-ingressgateway.${SYSTEM}`, port: 80, connections: 32, ratePerSecond: 200, durationMs: SECONDS * 1000 },
    ...{ method: 'POST', path: '/pay', body: 'amount=10', headers: { host: HOST, 'content-type': 'text/plain' } },
  })
  // What a new image does, without one.
  const rolled = upgrade(RELEASE, values, ['gateways.ingressgateway.podAnnotations.e2e=rolled']).then(
    () => undefined,
    (error: unknown) => ({ error }),
  )
  const [report, failed] = await Promise.all([load, rolled])
  const after = await podsOfGateway()
  await upgrade(RELEASE, values)
  if (failed !== undefined) throw failed.error
  t.diagnostic(describeLoad(report))
  assert.deepEqual(
    after.filter((name) => before.includes(name)),
    [],
  )
  assertNoneLost(report)
})
