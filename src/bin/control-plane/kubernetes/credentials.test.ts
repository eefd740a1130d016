import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { TestCa } from '../../../../test/harness/certificates.ts'
import { type Clock, systemClock } from '../../../base/clock.ts'
import { FakeClock } from '../../../base/fake-clock.ts'
import type { Logger } from '../../../base/log.ts'
import { seededRandom } from '../../../base/random.ts'
import { type CredentialAnswer, usableCredential } from '../../../identity/credential.ts'
import { type FakeApiServer, startApiServer } from '../../../kube/api-server.fixture.ts'
import type { Json } from '../../../kube/api-server-patch.fixture.ts'
import { createKubeClient } from '../../../kube/client.ts'
import { until } from '../../../kube/until.fixture.ts'
import { type ClusterCredentials, watchCredentials } from './credentials.ts'

const ca = new TestCa()
const { chainPem, keyPem } = ca.issue({ dns: 'www' })
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const SECRET: Json = {
  metadata: { name: 'www', namespace: 'edge' },
  type: 'kubernetes.io/tls',
  data: { 'tls.crt': base64(chainPem), 'tls.key': base64(keyPem) },
}

interface Scene {
  readonly api: FakeApiServer
  readonly credentials: ClusterCredentials
  readonly lines: string[]
  /** Asks until it is known. */
  known(name: string, account: string): Promise<CredentialAnswer>
}

async function scene(t: TestContext, clock: Clock, mayRead: (spec: Json) => boolean): Promise<Scene> {
  const api = await startApiServer(t, { review: (_kind, spec) => ({ allowed: mayRead(spec) }) })
  api.put('Secret', SECRET)
  const client = createKubeClient(api.connection, { clock })
  const lines: string[] = []
  const say = (message: string, fields?: object): void => void lines.push(`${message} ${JSON.stringify(fields ?? {})}`)
  const log: Logger = { debug: say, info: say, warn: say, error: say, child: () => log }
  const credentials = watchCredentials({ client, clock, random: seededRandom(1), log })
  t.after(async () => {
    await credentials.stop()
    await client.close()
  })
  const known: Scene['known'] = async (name, account) => {
    await until(() => credentials.credentialOf('edge', name, account) !== 'pending', `${name} is known`)
    return credentials.credentialOf('edge', name, account)
  }
  return { api, credentials, lines, known }
}

const isList = ({ path, query }: { readonly path: string; readonly query: URLSearchParams }): boolean =>
  path === '/api/v1/namespaces/edge/secrets' && query.get('watch') !== 'true'

test("a Secret is handed out when the asking account may get this one, and to no other account; the API server's word is remembered", async (t) => {
  const asked: Json[] = []
  const clock = new FakeClock()
  const { credentials, known } = await scene(t, clock, (spec) => {
    asked.push(spec)
    return spec.user === 'system:serviceaccount:edge:gateway'
  })
  assert.equal(credentials.credentialOf('edge', 'www', 'gateway'), 'pending', 'nothing is handed out before it is known')
  assert.equal(usableCredential(await known('www', 'gateway'))?.pair?.chainPem, chainPem)
  assert.deepEqual(asked.length === 1 && asked[0]?.resourceAttributes, {
    verb: 'get',
    group: '',
    resource: 'secrets',
    namespace: 'edge',
    name: 'www',
  })
  assert.equal(await known('none', 'gateway'), undefined)

  const refused = await known('www', 'web')
  assert.ok(refused !== undefined && refused !== 'pending' && 'refused' in refused)
  assert.match(refused.refused, /may not be read by the gateway's ServiceAccount edge\/web/)
  assert.deepEqual(await known('none', 'web'), refused, 'nor is it told what there is')

  const before = asked.length
  assert.notEqual(credentials.credentialOf('edge', 'www', 'gateway'), 'pending')
  assert.equal(asked.length, before)
  clock.advance(61_000)
  assert.notEqual(credentials.credentialOf('edge', 'www', 'gateway'), 'pending', 'an old answer holds while a new one is asked for')
  await until(() => asked.length > before, 'asked again')
})

test('a right that is given later is noticed, and gateways are told', async (t) => {
  let allowed = false
  const clock = new FakeClock()
  const { credentials, known, lines } = await scene(t, clock, () => allowed)
  await known('www', 'gateway')
  assert.equal(lines.filter((line) => line.startsWith('a gateway is not given a Secret')).length, 1)
  allowed = true
  const told: string[] = []
  credentials.watch((namespaces) => told.push(...namespaces))
  clock.advance(15_000)
  await until(() => told.length > 0, 'told')
  assert.deepEqual(told, ['edge'])
  assert.equal(usableCredential(await known('www', 'gateway'))?.pair?.chainPem, chainPem)
})

test('without an answer nobody new is given anything, and whoever was allowed goes on', async (t) => {
  const clock = new FakeClock()
  const { api, credentials, known } = await scene(t, clock, () => true)
  await known('www', 'gateway')
  const isReview = ({ path }: { readonly path: string }): boolean => path.endsWith('/subjectaccessreviews')
  const broken = { status: 500, reason: 'InternalError', message: 'no' }
  for (let at = 0; at < 20; at++) api.interrupt(broken, isReview)
  clock.advance(61_000)
  const before = api.requests.filter(isReview).length
  assert.notEqual(usableCredential(credentials.credentialOf('edge', 'www', 'gateway')), undefined)
  await until(() => api.requests.filter(isReview).length > before, 'asked again')
  const other = await known('www', 'other')
  assert.ok(other !== undefined && other !== 'pending' && 'refused' in other)
  assert.match(other.refused, /nobody could say/)
  assert.notEqual(usableCredential(credentials.credentialOf('edge', 'www', 'gateway')), undefined)
})

test('Secrets that the control plane may not read are said once, with what to do; when it may, they are there', async (t) => {
  const { api, credentials, known, lines } = await scene(t, systemClock, () => true)
  const forbidden = { status: 403, reason: 'Forbidden', message: 'secrets is forbidden' }
  for (let at = 0; at < 2; at++) api.interrupt(forbidden, isList)
  const refused = await known('www', 'gateway')
  assert.deepEqual(refused, { refused: "may not be read by the control plane: add 'edge' to the chart's value secrets.namespaces" })
  await until(() => usableCredential(credentials.credentialOf('edge', 'www', 'gateway')) !== undefined, 'readable')
  assert.equal(api.requests.filter(isList).length, 3)
  assert.equal(lines.filter((line) => line.startsWith('Secrets cannot be read')).length, 1)
})
