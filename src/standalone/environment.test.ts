import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_ASSIGNMENTS, planAddresses } from './address-plan.ts'
import { type ApplicationEnvironmentInput, applicationEnvironment } from './environment.ts'

const { plan } = planAddresses(
  [{ namespace: 'default', name: 'page', workload: 'page', ports: [{ name: 'http', containerPort: 9080 }], publish: [] }],
  [
    { namespace: 'default', name: 'user-reviews', ports: [{ port: 9080 }, { port: 9443 }] },
    { namespace: 'other', name: 'ratings', ports: [{ port: 80 }] },
  ],
  NO_ASSIGNMENTS,
  { strategy: 'loopback', mesh: 1, unavailablePorts: new Set(), firstUnprivilegedPort: 1024 },
)
const addresses = plan.workloads['default/page']
assert.ok(addresses)

const environment = (extra: Partial<ApplicationEnvironmentInput> = {}): Record<string, string> =>
  applicationEnvironment({
    addresses,
    namespace: 'default',
    name: 'page',
    declared: [],
    inherited: {},
    nodeFolder: '/opt/node/bin',
    ...extra,
  })

test('an application finds the services of its namespace where Kubernetes would tell it', () => {
  const env = environment()
  assert.equal(env.USER_REVIEWS_SERVICE_HOST, '127.1.1.2')
  assert.equal(env.USER_REVIEWS_SERVICE_PORT, '9080')
  assert.equal(env.USER_REVIEWS_PORT_9443_TCP_PORT, '9443')
  assert.equal(env.RATINGS_SERVICE_HOST, undefined)
})

test('calls by name go through the own sidecar, calls to its virtual addresses go straight', () => {
  const env = environment({ inherited: { https_proxy: 'http://corporate:3128', NO_PROXY: 'internal' } })
  assert.equal(env.HTTP_PROXY, 'http://127.1.1.1:15001')
  assert.equal(env.NODE_USE_ENV_PROXY, '1')
  assert.deepEqual(env.NO_PROXY?.split(','), ['127.0.0.1', 'localhost', '::1', '127.1.1.2', '127.1.1.3'])
  assert.equal(env.https_proxy, undefined)
})

test('the port is the one that the sidecar forwards to, whatever the object says', () => {
  const env = environment({ declared: [{ name: 'PORT', value: '1' }, { name: 'SERVICE_VERSION', value: 'v2' }, { name: 'EMPTY' }] })
  assert.equal(env.PORT, String(addresses.inbound[0]?.application.port))
  assert.equal(env.HOST, '127.0.0.1')
  assert.equal(env.SERVICE_VERSION, 'v2')
  assert.equal(env.EMPTY, '')
})

test("the node of the mesh comes first in PATH, and the mesh's own variables stay its own", () => {
  const env = environment({ inherited: { PATH: '/usr/bin', LATEEN_PARENT_PIPE: '3', HOME: '/home/me', GONE: undefined } })
  assert.equal(env.PATH, '/opt/node/bin:/usr/bin')
  assert.equal(env.HOME, '/home/me')
  assert.equal('LATEEN_PARENT_PIPE' in env, false)
  assert.equal('GONE' in env, false)
})
