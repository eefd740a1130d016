// Noise on the xDS stream: bytes that are no request end that stream with a sentence; nobody else notices. Seeded.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client, credentials, status } from '@grpc/grpc-js'
import { seededRandom } from '../../src/base/random.ts'
import { fullCodec } from '../../src/envoy/full-codec.ts'
import { CLUSTER_TYPE, DELTA_ADS_PATH, STREAM_ADS_PATH } from '../../src/envoy/type-urls.ts'
import type { ClientIdentity } from '../feature/support/ads-client.ts'
import { CART_NODE, SHOP, startTestMesh, type TestMesh } from '../feature/support/mesh.ts'

/** `npm run fuzz -- xds` gives the seconds and the seed. */
const SECONDS = process.env.FUZZ_SECONDS === undefined ? undefined : Number(process.env.FUZZ_SECONDS)
const SEED = Number(process.env.FUZZ_SEED ?? 11)
const ROUNDS = 150

/** Sends one message and ends; resolves with the status of the stream. */
function exchange(
  mesh: TestMesh,
  { keyPem, chainPem }: ClientIdentity,
  path: string,
  bytes: Buffer,
): Promise<{ readonly code: number; readonly details: string }> {
  const { port, rootPem } = mesh.controlPlane
  const client = new Client(`127.0.0.1:${port}`, credentials.createSsl(Buffer.from(rootPem), Buffer.from(keyPem), Buffer.from(chainPem)), {
    'grpc.ssl_target_name_override': 'istiod.istio-system.svc',
  })
  const same = (content: Buffer): Buffer => content
  const stream = client.makeBidiStreamRequest(path, same, same)
  return new Promise((resolve) => {
    stream.on('data', () => undefined)
    stream.on('error', () => undefined)
    stream.on('status', ({ code, details }) => {
      client.close()
      resolve({ code, details })
    })
    stream.write(bytes)
    stream.end()
  })
}

test('mutated discovery requests are answered or refused, and the control plane goes on', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const identity = await mesh.join('cart')
  const random = seededRandom(SEED)
  const below = (limit: number): number => Math.floor(random() * limit)
  const request = fullCodec.encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
    node: { id: CART_NODE, metadata: { SERVICE_ACCOUNT: 'cart', LABELS: { app: 'cart' } } },
    typeUrl: CLUSTER_TYPE,
    resourceNamesSubscribe: ['a', '*'],
    initialResourceVersions: { a: '1' },
  })
  const allowed = [status.OK, status.INVALID_ARGUMENT, status.PERMISSION_DENIED]
  const untilMs = SECONDS === undefined ? undefined : performance.now() + SECONDS * 1000
  for (let round = 0; untilMs === undefined ? round < ROUNDS : performance.now() < untilMs; round++) {
    const bytes = Buffer.from(request)
    for (let change = 0; change < 1 + below(6); change++) bytes[below(bytes.length)] = below(256)
    const { code, details } = await exchange(
      mesh,
      identity,
      round % 2 === 0 ? DELTA_ADS_PATH : STREAM_ADS_PATH,
      bytes.subarray(0, 1 + below(bytes.length)),
    )
    assert.ok(allowed.includes(code), `round ${round}: ${code} ${details}`)
    if (code !== status.OK) assert.notEqual(details, '')
  }
  const { code } = await exchange(mesh, identity, DELTA_ADS_PATH, request)
  assert.equal(code, status.OK)
  assert.ok(
    !mesh.log.some((line) => line.includes(' error ')),
    mesh.log.find((line) => line.includes(' error ')),
  )
})
