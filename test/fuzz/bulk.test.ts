// A running control plane is given a directory full of objects, good and bad, while a proxy is connected and somebody asks for its status:
// all of it is answered, in bounded memory, and nobody waits for it. CI runs a part (BULK_OBJECTS); `npm run fuzz -- bulk` all of it.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CLUSTER_TYPE } from '../../src/envoy/type-urls.ts'
import { isRecord, mintJoinToken } from '../../src/standalone/mesh-api.ts'
import { connectMesh, isUnreachable, type MeshClient } from '../../src/standalone/mesh-client.ts'
import { writePrivateFile } from '../../src/standalone/state-folder.ts'
import { AdsClient, requestCertificate } from '../feature/support/ads-client.ts'
import { CART_NODE, SHOP } from '../feature/support/mesh.ts'
import { waitFor } from '../harness/wait.ts'
import type { TurnFigures } from './bulk-control-plane.ts'
import { type Bulk, writeBulk } from './bulk-objects.ts'

const OBJECTS = Number(process.env.BULK_OBJECTS ?? 20_000)
/** What an unrelated question may wait for. */
const MAX_WAIT_MS = 1000
/** Peak of the whole process, its compile thread included: a base and a share for each object. */
const BASE_MB = 400
const KB_PER_OBJECT = 15

interface Running {
  readonly mesh: MeshClient
  readonly client: AdsClient
  readonly base: string
  readonly dir: string
  figures(): Promise<TurnFigures>
}

async function start(t: TestContext): Promise<Running> {
  const base = mkdtempSync(join(tmpdir(), 'lateen-bulk-'))
  const [dir, state] = [join(base, 'mesh'), join(base, 'state')]
  mkdirSync(dir)
  writePrivateFile(join(state, 'mesh.json'), JSON.stringify({ dir, mesh: 1, strategy: 'loopback' }))
  for (const [name, text] of Object.entries(SHOP)) writeFileSync(join(dir, name), text)
  const child = fork(join(import.meta.dirname, 'bulk-control-plane.ts'), [dir, state])
  t.after(async () => {
    child.disconnect()
    await once(child, 'exit')
    rmSync(base, { recursive: true, force: true })
  })
  const [{ ready }] = (await once(child, 'message')) as [{ ready: { port: number; rootPem: string; socket: string } }]
  const mesh = connectMesh(ready.socket)
  const token = await mintJoinToken(mesh, 'default', 'cart')
  const identity = await requestCertificate(ready.port, ready.rootPem, 'spiffe://cluster.local/ns/default/sa/cart', { token })
  assert.ok('keyPem' in identity)
  const client = new AdsClient(ready.port, ready.rootPem, identity, CART_NODE, { SERVICE_ACCOUNT: 'cart' })
  t.after(() => client.close())
  return {
    ...{ mesh, client, base, dir },
    async figures() {
      child.send('figures')
      const [{ figures }] = (await once(child, 'message')) as [{ figures: TurnFigures }]
      return figures
    },
  }
}

/** Asks again and again until told to stop; the longest wait. */
function keepAsking(ask: () => Promise<unknown>): () => Promise<number> {
  let asking = true
  let longestMs = 0
  const done = (async () => {
    while (asking) {
      const startMs = performance.now()
      await ask()
      longestMs = Math.max(longestMs, performance.now() - startMs)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  })()
  return async () => {
    asking = false
    await done
    return longestMs
  }
}

async function askAgain({ client }: Running, name: string): Promise<void> {
  const before = client.responsesOf('CDS').length
  client.subscribe(CLUSTER_TYPE, [name])
  await client.until(() => client.responsesOf('CDS').length > before)
}

async function findingsOf(mesh: MeshClient): Promise<Record<string, unknown> | undefined> {
  const answer = await mesh.get('/v1/findings').catch((error: unknown) => {
    if (!isUnreachable(error)) throw error
  })
  if (answer === undefined) return undefined
  assert.ok(isRecord(answer))
  return answer
}

test(`${OBJECTS} objects, good and bad: nobody else waits, and every mistake is answered`, { timeout: 600_000 }, async (t) => {
  const running = await start(t)
  const { mesh, client, base, dir } = running
  const name = 'outbound|8080||cart.default.svc.cluster.local'
  client.subscribe(CLUSTER_TYPE, [name])
  await client.until(() => client.versions('CDS')[name] !== undefined)
  const aside = join(base, 'aside')
  const bulk: Bulk = writeBulk(aside, OBJECTS)

  const startMs = performance.now()
  const status = keepAsking(() => mesh.get('/v1/version'))
  const ads = keepAsking(() => askAgain(running, name))
  renameSync(aside, join(dir, 'bulk'))
  await waitFor(async () => Number(((await mesh.get('/v1/proxies')) as { revision: number }).revision) > 1, {
    what: 'the first round with the objects',
    timeoutMs: 500_000,
  })
  const roundMs = performance.now() - startMs
  // On a machine that has other things to do the answer may take longer than a client waits; the next question gets it.
  const answer = await waitFor(() => findingsOf(mesh), { what: 'the findings', timeoutMs: 200_000 })
  const findingsMs = performance.now() - startMs - roundMs
  const waits = { status: await status(), ads: await ads() }
  const figures = await running.figures()

  const mb = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MB`
  t.diagnostic(
    `${bulk.objects} objects in ${mb(bulk.bytes)}; in force after ${(roundMs / 1000).toFixed(1)} s, findings ${(findingsMs / 1000).toFixed(1)} s later`,
  )
  t.diagnostic(
    `longest turn of the main thread ${figures.longestCpuMs.toFixed(0)} ms of processor, stall ${figures.longestStallMs.toFixed(0)} ms`,
  )
  t.diagnostic(`longest wait for a status ${waits.status.toFixed(0)} ms, for a cluster ${waits.ads.toFixed(0)} ms`)
  t.diagnostic(
    `peak ${figures.peakRssMb.toFixed(0)} MB; processor: main thread ${(figures.mainThreadCpuMs / 1000).toFixed(1)} s, all ${(figures.processCpuMs / 1000).toFixed(1)} s`,
  )
  assert.ok(Array.isArray(answer.findings) && answer.findings.length <= 1000, 'an answer is bounded')
  const codes = new Set(answer.findings.map((found: unknown) => (isRecord(found) ? found.code : undefined)))
  assert.ok(codes.has('LTN0101') && codes.has('LTN0135'), `the gravest are shown: ${[...codes].join(' ')}`)
  assert.ok(Number(answer.total) > bulk.conflicting, 'every mistake is counted')
  assert.ok(figures.longestCpuMs < MAX_WAIT_MS / 2, `a turn took ${figures.longestCpuMs} ms of processor`)
  assert.ok(figures.longestStallMs < MAX_WAIT_MS, `the main thread kept others waiting for ${figures.longestStallMs} ms`)
  assert.ok(figures.peakRssMb < BASE_MB + (OBJECTS * KB_PER_OBJECT) / 1024, `${figures.peakRssMb} MB`)
})
