// The way out: with REGISTRY_ONLY an unknown host is refused by name, a ServiceEntry opens it, and an egress gateway can be put in between.
// The outside is a server of this test, in the machine's own network.
import assert from 'node:assert/strict'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { waitFor } from '../harness/wait.ts'
import { apply } from './harness/kubectl.ts'
import { story } from './harness/story.ts'
import { type Answer, callerIn, deploy } from './harness/workloads.ts'

/** This machine, as pods see it. */
const OUTSIDE = process.env.LATEEN_E2E_OUTSIDE ?? '198.51.100.1'

const REGISTRY_ONLY = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'Sidecar',
  metadata: { name: 'default' },
  spec: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' }, egress: [{ hosts: ['./*', 'istio-system/*', 'lateen-system/*'] }] },
}

async function outside(t: TestContext): Promise<number> {
  const server = http.createServer((request, response) => response.end(JSON.stringify({ outside: true, headers: request.headers })))
  await new Promise<void>((resolve) => server.listen(0, OUTSIDE, resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function serviceEntry(port: number): object {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'outside' },
    spec: {
      hosts: ['outside.example'],
      location: 'MESH_EXTERNAL',
      resolution: 'STATIC',
      ports: [{ number: port, name: 'http', protocol: 'HTTP' }],
      endpoints: [{ address: OUTSIDE }],
    },
  }
}

story('egress', 'REGISTRY_ONLY refuses an unknown host and says which; a ServiceEntry opens it', async ({ namespace }, t) => {
  const port = await outside(t)
  await apply([REGISTRY_ONLY], namespace)
  await deploy(namespace, { name: 'client' })
  const client = await callerIn(namespace, 'app=client')
  const call = (): Promise<Answer> => client.call({ url: `http://${OUTSIDE}:${port}/`, headers: { host: `outside.example:${port}` } })
  const refused = await call()
  assert.equal(refused.status, 502, refused.body)
  assert.match(refused.body, /outside\.example/)
  await apply([serviceEntry(port)], namespace)
  const open = await waitFor(
    async () => {
      const answer = await call()
      return answer.status === 200 && answer
    },
    { what: 'the way out', timeoutMs: 10_000 },
  )
  assert.equal((JSON.parse(open.body) as { readonly outside: boolean }).outside, true)
})
