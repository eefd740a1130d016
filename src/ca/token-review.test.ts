// ServiceAccount tokens against an API server: who is believed, who is refused, who is told to come again; and how often it is asked.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../base/fake-clock.ts'
import { silentLogger } from '../base/log.ts'
import { type FakeApiServer, startApiServer } from '../kube/api-server.fixture.ts'
import { createKubeClient } from '../kube/client.ts'
import { createTokenReviews, type TokenReviews } from './token-review.ts'

const POD = { 'authentication.kubernetes.io/pod-name': ['cart-7'], 'authentication.kubernetes.io/pod-uid': ['u-7'] }
const CART = { authenticated: true, audiences: ['lateen-ca'], user: { username: 'system:serviceaccount:shop:cart', extra: POD } }

type Status = Readonly<Record<string, unknown>>

interface Setup {
  readonly server: FakeApiServer
  readonly reviews: TokenReviews
  readonly clock: FakeClock
  answer: Status
}

async function setup(t: TestContext, answer: Status = CART, audiences?: readonly string[]): Promise<Setup> {
  const server = await startApiServer(t, { review: () => made.answer })
  const clock = new FakeClock()
  const client = createKubeClient(server.connection, { clock })
  t.after(() => client.close())
  const reviews = createTokenReviews({ client, clock, log: silentLogger, ...(audiences === undefined ? {} : { audiences }) })
  const made: Setup = { server, reviews, clock, answer }
  return made
}

const jwt = (claims: object): string => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`

test('an accepted token is its account, with the pod it is bound to', async (t) => {
  const { reviews, server } = await setup(t)
  const answer = await reviews.review(jwt({ sub: 'system:serviceaccount:other:liar' }))
  const pod = { name: 'cart-7', uid: 'u-7' }
  assert.deepEqual(answer, { kind: 'known', account: { namespace: 'shop', serviceAccount: 'cart', pod } })
  assert.deepEqual(server.requests[0]?.body, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    metadata: {},
    spec: { token: jwt({ sub: 'system:serviceaccount:other:liar' }), audiences: ['lateen-ca'] },
  })
})

for (const [what, status, reason] of [
  ['a token that is not accepted', { authenticated: false, error: 'token has expired' }, /does not accept.*token has expired/],
  ['a token for others', { ...CART, audiences: ['https://kubernetes.default.svc'] }, /not meant for lateen-ca/],
  ['a token that an API server without audiences accepted', { ...CART, audiences: undefined }, /not meant for lateen-ca/],
  ['a token of a user', { ...CART, user: { username: 'jane' } }, /not a ServiceAccount's/],
  ['a token of a user whose name only begins so', { ...CART, user: { username: 'x:system:serviceaccount:a:b' } }, /not a ServiceAccount's/],
  ['an empty answer', {}, /does not accept/],
] as const) {
  test(`${what} is refused`, async (t) => {
    const { reviews } = await setup(t, status)
    const answer = await reviews.review(jwt({}))
    assert.ok(answer.kind === 'refused')
    assert.match(answer.reason, reason)
  })
}

test('any of several audiences will do', async (t) => {
  const { reviews, server } = await setup(t, { ...CART, audiences: ['istio-ca'] }, ['lateen-ca', 'istio-ca'])
  assert.equal((await reviews.review(jwt({}))).kind, 'known')
  assert.match(JSON.stringify(server.requests[0]?.body), /"audiences":\["lateen-ca","istio-ca"\]/)
})

test('the API server is asked once for callers that ask together, and again only after seconds', async (t) => {
  const { reviews, server, clock } = await setup(t)
  const answers = await Promise.all(Array.from({ length: 20 }, () => reviews.review(jwt({}))))
  assert.ok(answers.every(({ kind }) => kind === 'known'))
  clock.advance(9_999)
  await reviews.review(jwt({}))
  assert.equal(server.requests.length, 1)
  clock.advance(1)
  await reviews.review(jwt({}))
  assert.equal(server.requests.length, 2)
})

test('an account that was deleted is refused ten seconds later at the latest', async (t) => {
  const made = await setup(t)
  assert.equal((await made.reviews.review(jwt({}))).kind, 'known')
  made.answer = { authenticated: false }
  made.clock.advance(10_000)
  assert.equal((await made.reviews.review(jwt({}))).kind, 'refused')
})

test('a token is not believed beyond its own end', async (t) => {
  const { reviews, server, clock } = await setup(t)
  const token = jwt({ exp: clock.nowMs() / 1000 + 2 })
  await reviews.review(token)
  clock.advance(2_000)
  await reviews.review(token)
  assert.equal(server.requests.length, 2)
})

test('a refusal is remembered for three seconds', async (t) => {
  const made = await setup(t, { authenticated: false })
  await made.reviews.review(jwt({}))
  made.answer = CART
  made.clock.advance(2_999)
  assert.equal((await made.reviews.review(jwt({}))).kind, 'refused')
  made.clock.advance(1)
  assert.equal((await made.reviews.review(jwt({}))).kind, 'known')
})

for (const [what, interruption] of [
  ['fails', { status: 500, message: 'etcd has no leader' }],
  ['forbids us to ask', { status: 403, reason: 'Forbidden' }],
  ['breaks the connection', { cut: true }],
] as const) {
  test(`an API server that ${what} makes the caller come again, and is asked anew then`, async (t) => {
    const { reviews, server } = await setup(t)
    server.interrupt(interruption)
    const answer = await reviews.review(jwt({}))
    assert.ok(answer.kind === 'unavailable')
    assert.doesNotMatch(answer.reason, /etcd|127\.0\.0\.1/)
    assert.equal((await reviews.review(jwt({}))).kind, 'known')
  })
}

test('a flood of tokens does not become a flood of questions', async (t) => {
  const { reviews, server } = await setup(t, { authenticated: false })
  const answers = await Promise.all(Array.from({ length: 500 }, (_, index) => reviews.review(jwt({ index }))))
  assert.equal(answers.filter(({ kind }) => kind === 'unavailable').length, 500 - 64)
  assert.equal(server.requests.length, 64)
})
