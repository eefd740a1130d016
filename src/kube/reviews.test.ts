import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../base/fake-clock.ts'
import { startApiServer } from './api-server.fixture.ts'
import type { Json } from './api-server-patch.fixture.ts'
import { createKubeClient, type KubeClient } from './client.ts'
import { reviewAccess, reviewOwnAccess, reviewToken } from './reviews.ts'

async function answering(t: TestContext, review: (kind: string, spec: Json) => Json): Promise<KubeClient> {
  const api = await startApiServer(t, { review })
  const client = createKubeClient(api.connection, { clock: new FakeClock() })
  t.after(() => client.close())
  return client
}

const user = {
  username: 'system:serviceaccount:default:web',
  uid: 'u',
  groups: ['system:serviceaccounts'],
  extra: { 'authentication.kubernetes.io/pod-name': ['web-1'], 'authentication.kubernetes.io/pod-uid': ['p'] },
}

test("a token's review names the account and its pod", async (t) => {
  const client = await answering(t, (_kind, spec) => ({ authenticated: spec.token === 'good', audiences: spec.audiences, user }))
  const answer = await reviewToken(client, 'good', ['lateen-ca'])
  assert.deepEqual(answer.ok && answer.value, {
    authenticated: true,
    username: user.username,
    uid: 'u',
    groups: user.groups,
    audiences: ['lateen-ca'],
    podName: 'web-1',
    podUid: 'p',
    nodeName: undefined,
  })
  const bad = await reviewToken(client, 'bad', ['lateen-ca'])
  assert.equal(bad.ok && bad.value.authenticated, false)
})

test('a server that ignores audiences authenticates nobody', async (t) => {
  const client = await answering(t, () => ({ authenticated: true, user }))
  const answer = await reviewToken(client, 'good', ['lateen-ca'])
  assert.deepEqual(answer.ok && answer.value, { authenticated: false, why: "the token is not meant for 'lateen-ca'" })
})

test('access is asked for an account with the groups that every account is in, and for ourselves', async (t) => {
  const asked: Json[] = []
  const client = await answering(t, (kind, spec) => {
    asked.push({ kind, ...spec })
    return kind === 'SubjectAccessReview' ? { allowed: true, denied: true, reason: 'a deny wins' } : { allowed: true }
  })
  const access = { verb: 'get', group: '', resource: 'secrets', namespace: 'a', name: 'tls' }
  const theirs = await reviewAccess(client, { namespace: 'a', name: 'gateway' }, access)
  assert.deepEqual(theirs.ok && theirs.value, { allowed: false, reason: 'a deny wins' })
  const ours = await reviewOwnAccess(client, access)
  assert.equal(ours.ok && ours.value.allowed, true)
  assert.deepEqual(asked, [
    {
      kind: 'SubjectAccessReview',
      user: 'system:serviceaccount:a:gateway',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:a', 'system:authenticated'],
      resourceAttributes: access,
    },
    { kind: 'SelfSubjectAccessReview', resourceAttributes: access },
  ])
})
