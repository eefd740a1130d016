// Mutual TLS by default, strict where asked for, and who calls is known to the called.
import assert from 'node:assert/strict'
import http from 'node:http'
import { waitFor } from '../harness/wait.ts'
import { apply, readyPods } from './harness/kubectl.ts'
import { story } from './harness/story.ts'
import { callerIn, deploy } from './harness/workloads.ts'

function peerAuthentication(mode: string): object {
  return { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name: 'default' }, spec: { mtls: { mode } } }
}

/** From this machine, which is not part of the mesh. */
function plaintext(address: string): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve) => {
    const request = http.get({ host: address, port: 8080, path: '/', agent: false, timeout: 5000 }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('error', (error) => resolve({ status: 0, body: error.message }))
  })
}

story(
  'mtls',
  'plaintext from outside is accepted under PERMISSIVE and refused under STRICT, and calls in the mesh go on',
  async ({ namespace }) => {
    await deploy(namespace, { name: 'client' }, { name: 'server' })
    const client = await callerIn(namespace, 'app=client')
    const [server] = await readyPods(namespace, 'app=server')
    const address = server?.status?.podIP ?? ''
    assert.equal((await plaintext(address)).status, 200, 'PERMISSIVE is the default')
    await apply([peerAuthentication('STRICT')], namespace)
    const refused = await waitFor(
      async () => {
        const answer = await plaintext(address)
        return answer.status !== 200 && answer
      },
      { what: 'STRICT in force', timeoutMs: 10_000 },
    )
    assert.equal(refused.status, 400)
    assert.match(refused.body, /only mutual TLS \(PeerAuthentication STRICT\)/)
    assert.equal((await client.call({ url: 'http://server:8080/' })).status, 200)
    await apply([peerAuthentication('PERMISSIVE')], namespace)
    await waitFor(async () => (await plaintext(address)).status === 200, { what: 'PERMISSIVE in force again', timeoutMs: 10_000 })
  },
)

story('identity', 'the called learns the identity of the caller, and nobody can pretend one', async ({ namespace }) => {
  await deploy(namespace, { name: 'client' }, { name: 'server' })
  const client = await callerIn(namespace, 'app=client')
  const forged = 'By=spiffe://cluster.local/ns/x/sa/x;URI=spiffe://cluster.local/ns/other/sa/admin'
  const answer = await client.call({ url: 'http://server:8080/', headers: { 'x-forwarded-client-cert': forged } })
  assert.equal(answer.status, 200)
  const seen = JSON.parse(answer.body) as { readonly headers: Readonly<Record<string, string>> }
  const certificate = seen.headers['x-forwarded-client-cert'] ?? ''
  assert.match(certificate, new RegExp(`URI=spiffe://cluster.local/ns/${namespace}/sa/client`))
  assert.doesNotMatch(certificate, /admin/)
})
