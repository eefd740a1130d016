// The certificate service of a control plane on Kubernetes, over TLS, asked by the sidecar's own client; the API server behind it is a fake one
// that goes away. What a real API server says of tokens: test/kube/identity.test.ts.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { formatProblems } from '../../src/base/result.ts'
import { type FakeApiServer, startApiServer } from '../../src/kube/api-server.fixture.ts'
import { createKubeClient } from '../../src/kube/client.ts'
import { type ClusterCa, startClusterCa } from '../harness/cluster-ca.ts'

const TOKEN = 'e30.e30.c2ln'
const user = { username: 'system:serviceaccount:shop:cart' }

async function start(t: TestContext, audiences = ['lateen-ca']): Promise<{ readonly server: FakeApiServer; readonly ca: ClusterCa }> {
  const server = await startApiServer(t, { review: () => ({ authenticated: true, audiences, user }) })
  const client = createKubeClient(server.connection, { clock: systemClock })
  t.after(() => client.close())
  return { server, ca: await startClusterCa(t, client, 'shop') }
}

async function why(ca: ClusterCa, account: string): Promise<string> {
  const answer = await ca.ask(account, TOKEN)
  return answer.ok ? 'issued' : formatProblems(answer.problems)
}

test('a workload joins by its token, and renews by its certificate while the API server is away', async (t) => {
  const { server, ca } = await start(t)
  const first = await ca.ask('cart', TOKEN)
  assert.ok(first.ok)
  const [leaf = '', root] = first.value.chain
  assert.equal(new X509Certificate(leaf).subjectAltName, 'URI:spiffe://cluster.local/ns/shop/sa/cart')
  assert.equal(root, ca.rootsPem)
  await server.stop()
  assert.ok((await ca.ask('cart', first.value)).ok)
})

test('a token for another account, or for another audience, gets nothing', async (t) => {
  const { ca } = await start(t)
  assert.match(await why(ca, 'price'), /PERMISSION_DENIED.*gets a certificate for itself only/)
  const other = await start(t, ['vault'])
  assert.match(await why(other.ca, 'cart'), /UNAUTHENTICATED.*not meant for lateen-ca/)
})

test('while the API server is away a new workload is told to come again, not that its token is wrong', async (t) => {
  const { server, ca } = await start(t)
  await server.stop()
  assert.match(await why(ca, 'cart'), /UNAVAILABLE/)
  await server.start()
  assert.equal(await why(ca, 'cart'), 'issued')
})
