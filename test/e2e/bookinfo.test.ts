// The quick start, as a user meets it: a labelled namespace, the sample, the ingress gateway over HTTP and HTTPS, a canary by kubectl apply
// that is live at once, and a status that says on how many proxies.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { TestCa } from '../harness/certificates.ts'
import { waitFor } from '../harness/wait.ts'
import { apply, awaitCondition, get, kubectl, list } from './harness/kubectl.ts'
import { SYSTEM, story } from './harness/story.ts'

const SAMPLE = new URL('../../samples/bookinfo/kubernetes.yaml', import.meta.url)
const DESTINATIONS = new URL('../../samples/bookinfo/networking/destination-rule-all.yaml', import.meta.url)
const HOST = 'bookinfo.example'
const PODS = 6

const STRICT = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default' },
  spec: { mtls: { mode: 'STRICT' } },
}

function gateway(): readonly object[] {
  return [
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'Gateway',
      metadata: { name: 'bookinfo' },
      spec: {
        selector: { istio: 'ingressgateway' },
        servers: [
          { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: [HOST] },
          {
            port: { number: 443, name: 'https', protocol: 'HTTPS' },
            hosts: [HOST],
            tls: { mode: 'SIMPLE', credentialName: 'bookinfo-tls' },
          },
        ],
      },
    },
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'productpage' },
      spec: {
        hosts: [HOST],
        gateways: ['bookinfo'],
        http: [{ route: [{ destination: { host: 'productpage', port: { number: 9080 } } }] }],
      },
    },
  ]
}

function reviews(http: readonly object[]): object {
  return { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'reviews' }, spec: { hosts: ['reviews'], http } }
}

const to = (subset: string, weight = 100): object => ({ destination: { host: 'reviews', subset }, weight })

interface Page {
  readonly status: number
  readonly body: string
}

function fetchPage(options: https.RequestOptions, headers: Readonly<Record<string, string>> = {}): Promise<Page> {
  const { request } = options.protocol === 'https:' ? https : http
  return new Promise((resolve, reject) => {
    const sent = request(
      { ...options, path: '/productpage', agent: false, headers: { host: HOST, ...headers }, timeout: 10_000 },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          body += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

/** Which version answered: the page names it. */
function versionOf({ body }: Page): string {
  return /reviews <b>(v\d)</.exec(body)?.[1] ?? 'none'
}

story('bookinfo', 'Bookinfo under STRICT, through the ingress gateway, with a canary and an honest status', async ({ namespace }, t) => {
  await apply(readFileSync(SAMPLE, 'utf8'), namespace)
  await apply([STRICT], namespace)
  await kubectl('wait', '-n', namespace, '--for=condition=Ready', 'pods', '--all', '--timeout=120s')
  const pods = await list('pods', namespace)
  assert.equal(pods.length, PODS)
  for (const { metadata, status } of pods) {
    const proxy = status?.initContainerStatuses?.find(({ name }) => name === 'lateen-proxy')
    assert.equal(proxy?.ready, true, `${metadata.name} has a running sidecar`)
  }
  await apply(readFileSync(DESTINATIONS, 'utf8').replaceAll('namespace: default', `namespace: ${namespace}`), namespace)

  const authority = new TestCa()
  const credential = authority.issue({ dns: HOST })
  await apply(
    [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        type: 'kubernetes.io/tls',
        metadata: { name: 'bookinfo-tls', namespace: SYSTEM },
        data: {
          'tls.crt': Buffer.from(credential.chainPem).toString('base64'),
          'tls.key': Buffer.from(credential.keyPem).toString('base64'),
        },
      },
    ],
    SYSTEM,
  )
  t.after(() => kubectl('delete', 'secret', 'bookinfo-tls', '-n', SYSTEM))
  await apply(gateway(), namespace)
  const ingress = (await get('service', 'lateen-ingressgateway', SYSTEM)).spec?.clusterIP
  assert.equal(typeof ingress, 'string')
  const plain = { host: String(ingress), port: 80 }
  const secure = { protocol: 'https:', host: String(ingress), port: 443, servername: HOST, ca: authority.rootPem }
  await waitFor(async () => (await fetchPage(plain).catch(() => undefined))?.status === 200, {
    what: 'the page over HTTP',
    timeoutMs: 20_000,
  })
  await waitFor(async () => (await fetchPage(secure).catch(() => undefined))?.status === 200, {
    what: 'the page over HTTPS',
    timeoutMs: 20_000,
  })

  await apply([reviews([{ route: [to('v1')] }])], namespace)
  await waitFor(async () => versionOf(await fetchPage(plain)) === 'v1', { what: 'all traffic on v1', timeoutMs: 5000 })
  const startedAt = performance.now()
  await apply(
    [reviews([{ match: [{ headers: { 'end-user': { exact: 'jason' } } }], route: [to('v3')] }, { route: [to('v1', 90), to('v2', 10)] }])],
    namespace,
  )
  const appliedAt = performance.now()
  await waitFor(async () => versionOf(await fetchPage(plain, { cookie: 'end-user=jason' })) === 'v3', {
    what: 'the header route',
    timeoutMs: 2000 + (appliedAt - startedAt),
  })
  t.diagnostic(`live ${Math.round(performance.now() - appliedAt)} ms after kubectl apply returned`)
  const counts: Record<string, number> = {}
  for (let sent = 0; sent < 300; sent++) {
    const version = versionOf(await fetchPage(plain))
    counts[version] = (counts[version] ?? 0) + 1
  }
  t.diagnostic(JSON.stringify(counts))
  // Five sigma of 300 at 10 percent.
  assert.ok(Math.abs((counts.v2 ?? 0) - 30) <= 26 && (counts.v1 ?? 0) + (counts.v2 ?? 0) === 300, JSON.stringify(counts))
  const programmed = await awaitCondition(
    'virtualservice',
    'reviews',
    namespace,
    ({ type, status, observedGeneration }) => type === 'Programmed' && status === 'True' && observedGeneration === 2,
    'programmed',
  )
  const [, running, all] = /(\d+) of (\d+)/.exec(programmed.message ?? '') ?? []
  assert.equal(running, all)
  assert.ok(Number(all) >= PODS, programmed.message)
})
