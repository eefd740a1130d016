// Certificates of two minutes, for long enough that client and servers renew theirs under load.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { readyPods } from './kubectl.ts'
import { type Protocol, under, withClientAndServer } from './load-under.ts'
import { withValues } from './release.ts'
import { shownCertificate } from './shown-certificate.ts'

/** They are renewed at about half of their life. */
const SECONDS = 90

export async function rotateUnderLoad(namespace: string, t: TestContext, protocol: Protocol): Promise<void> {
  await withValues(['controlPlane.extraArgs={--certificate-lifetime=2m}'], async () => {
    // These pods ask for their first certificate now, so it is one of two minutes.
    const client = await withClientAndServer(namespace, 2)
    const addresses = (await readyPods(namespace, 'app in (client,server)')).map(({ status }) => status?.podIP ?? '')
    const shown = () => Promise.all(addresses.map((address) => shownCertificate(address, 8080)))
    const before = await shown()
    for (const { notAfter } of before) assert.ok(notAfter.getTime() - Date.now() <= 120_000, 'the certificates live two minutes at most')
    await under(t, client, SECONDS, async () => undefined, protocol)
    const after = await shown()
    assert.equal(after.length, 3)
    for (const [index, { serial }] of after.entries()) assert.notEqual(serial, before[index]?.serial, `${addresses[index]} has renewed`)
  })
}
