// Gateways as their clients meet them, ours and a stock Envoy: which certificate is shown for which name, who is let in, what is answered,
// and that new certificates and missing ones hurt nobody else. Secrets come over ADS from our own xDS server.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { test } from 'node:test'
import tls from 'node:tls'
import { TestCa } from '../harness/certificates.ts'
import { waitFor } from '../harness/wait.ts'
import { startGatewayLab } from './support/gateway-lab.ts'
import { PROXIES } from './support/route-lab.ts'

const outside = new TestCa('outside')

function credential(dns: string): Record<string, string> {
  const { chainPem, keyPem } = outside.issue({ dns })
  return { 'tls.crt': chainPem, 'tls.key': keyPem }
}

interface Answer {
  readonly status: number
  readonly body: string
  readonly headers: http.IncomingHttpHeaders
  /** DNS names of the certificate that was shown. */
  readonly shown: string
  readonly serial: string
}

interface Call extends Pick<https.RequestOptions, 'ca' | 'cert' | 'key' | 'maxVersion' | 'headers' | 'checkServerIdentity'> {
  readonly path?: string
  readonly agent?: https.Agent
}

/** HTTPS by that name; rejects when the connection is closed or refused. */
function call(port: number, name: string, { path = '/', agent, ...tlsOptions }: Call = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, servername: name, ca: outside.rootPem, ...tlsOptions }
    const request = https.get({ ...options, headers: { host: name, ...tlsOptions.headers }, agent: agent ?? false }, (response) => {
      const { socket } = response
      assert.ok(socket instanceof tls.TLSSocket)
      const certificate = new X509Certificate(socket.getPeerCertificate(false).raw)
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response
        resolve({ status, body, headers, shown: certificate.subjectAltName ?? '', serial: certificate.serialNumber })
      })
    })
    request.setTimeout(5000, () => request.destroy(new Error('no answer')))
    request.on('error', reject)
  })
}

function plain(port: number, host: string): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path: '/a?b', headers: { host }, agent: false }, (response) => {
      response.resume()
      response.on('end', () => resolve(response))
    })
    request.on('error', reject)
  })
}

const VIRTUAL_SERVICE = `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: ["*.example.com", "*.wild.org"]
  gateways: [edge]
  http: [{route: [{destination: {host: web, port: {number: 80}}}]}]
`

function gateway(servers: readonly string[]): string {
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers: [${servers.join(', ')}]
${VIRTUAL_SERVICE}`
}

const https1 = (port: number | undefined, name: string, host: string, more: string): string =>
  `{bind: 127.0.0.1, port: {number: ${port}, name: ${name}, protocol: HTTPS}, hosts: ["${host}"], tls: {${more}}}`

for (const kind of PROXIES) {
  test(`${kind}: the name that is asked for chooses the certificate, exact before wildcard; an unknown name is closed, an unknown host is 404`, async (t) => {
    const lab = await startGatewayLab(t, {
      kind,
      objects: ([port, other]) =>
        gateway([
          https1(port, 'a', 'a.example.com', 'mode: SIMPLE, credentialName: a'),
          https1(port, 'b', '*.example.com', 'mode: SIMPLE, credentialName: b'),
          https1(port, 'missing', 'm.wild.org', 'mode: SIMPLE, credentialName: missing'),
          https1(port, 'broken', 'x.wild.org', 'mode: SIMPLE, credentialName: broken'),
          https1(other, 'any', '*', 'mode: SIMPLE, credentialName: a'),
        ]),
      secrets: {
        'default/a': credential('a.example.com'),
        'default/b': { cert: credential('*.example.com')['tls.crt'] ?? '', key: '' },
        'default/broken': { 'tls.crt': 'no', 'tls.key': 'no' },
        'other/missing': credential('m.wild.org'),
      },
    })
    if (lab === undefined) return
    const [port = 0, other = 0] = lab.ports
    const generic = credential('*.example.com')
    lab.setSecret('default/b', { cert: generic['tls.crt'] ?? '', key: generic['tls.key'] ?? '' })
    assert.match((await call(port, 'a.example.com')).shown, /DNS:a\.example\.com/)
    const wild = await waitFor(() => call(port, 'c.example.com').catch(() => undefined), { what: 'the second certificate' })
    assert.match(wild.shown, /DNS:\*\.example\.com/)
    assert.equal(wild.body, 'web /')
    await assert.rejects(call(port, 'unknown.net'))
    await assert.rejects(call(port, 'm.wild.org'), 'a secret of another namespace is not given')
    await assert.rejects(call(port, 'x.wild.org'))
    assert.equal((await call(other, 'a.example.com', { headers: { host: 'nobody.net' } })).status, 404)
    lab.setSecret('default/missing', credential('m.wild.org'))
    await waitFor(() => call(port, 'm.wild.org').catch(() => undefined), { what: 'the secret that came later' })
    lab.setSecret('default/missing', undefined)
    const isClosed = (): Promise<boolean> =>
      call(port, 'm.wild.org').then(
        () => false,
        () => true,
      )
    // Envoy takes no notice of a secret that is gone.
    if (kind === 'our proxy') await waitFor(isClosed, { what: 'the end of a deleted secret' })
    else assert.equal(await isClosed(), false)
    assert.match((await call(port, 'a.example.com')).shown, /DNS:a/)
    const dump = await (await fetch(`http://127.0.0.1:${lab.admin}/config_dump?include_eds`)).text()
    const key = generic['tls.key']?.split('\n')[1] ?? ''
    assert.ok(key.length > 20)
    assert.equal(dump.includes(key), false, 'no key is shown')
    assert.equal(lab.output().includes(key), false)
  })

  test(`${kind}: MUTUAL lets in whom its authorities signed, OPTIONAL_MUTUAL also who shows nothing; the application is told who called`, async (t) => {
    const clients = new TestCa('clients')
    const strangers = new TestCa('strangers')
    const lab = await startGatewayLab(t, {
      kind,
      objects: ([port]) =>
        gateway([
          https1(port, 'a', 'a.example.com', 'mode: MUTUAL, credentialName: a'),
          https1(port, 'b', 'b.example.com', 'mode: OPTIONAL_MUTUAL, credentialName: b'),
          https1(
            port,
            'c',
            'c.example.com',
            'mode: MUTUAL, credentialName: a, caCertCredentialName: named, subjectAltNames: [client.example.com]',
          ),
          https1(port, 'd', 'd.example.com', 'mode: SIMPLE, credentialName: b, maxProtocolVersion: TLSV1_2'),
        ]),
      secrets: {
        'default/a': { ...credential('*.example.com'), 'ca.crt': clients.rootPem },
        'default/b': credential('*.example.com'),
        'default/b-cacert': { cacert: clients.rootPem },
        'default/named': { 'ca.crt': clients.rootPem },
      },
    })
    if (lab === undefined) return
    const [port = 0] = lab.ports
    const shown = (ca: TestCa, dns: string): Pick<Call, 'cert' | 'key'> => {
      const { chainPem, keyPem } = ca.issue({ dns })
      return { cert: chainPem, key: keyPem }
    }
    const friend = await call(port, 'a.example.com', {
      ...shown(clients, 'client.example.com'),
      headers: { 'x-forwarded-client-cert': 'forged' },
    })
    assert.equal(friend.status, 200)
    const received = JSON.parse(String(friend.headers['x-received']))
    assert.match(received['x-forwarded-client-cert'], /DNS=client\.example\.com/)
    assert.doesNotMatch(received['x-forwarded-client-cert'], /forged/)
    // For a client on its own machine Envoy writes one of the machine's addresses.
    assert.notEqual(net.isIP(received['x-forwarded-for']), 0)
    assert.equal(received['x-forwarded-proto'], 'https')
    await assert.rejects(call(port, 'a.example.com'))
    await assert.rejects(call(port, 'a.example.com', shown(strangers, 'client.example.com')))
    assert.equal((await call(port, 'b.example.com')).status, 200)
    assert.equal((await call(port, 'b.example.com', shown(clients, 'anybody'))).status, 200)
    await assert.rejects(call(port, 'b.example.com', shown(strangers, 'anybody')))
    assert.equal((await call(port, 'c.example.com', shown(clients, 'client.example.com'))).status, 200)
    await assert.rejects(call(port, 'c.example.com', shown(clients, 'somebody-else.example.com')))
    assert.equal((await call(port, 'd.example.com', { maxVersion: 'TLSv1.2' })).status, 200)
  })

  test(`${kind}: a renewed certificate is shown to new connections, and no request of the load is lost`, async (t) => {
    const lab = await startGatewayLab(t, {
      kind,
      objects: ([port]) => gateway([https1(port, 'a', 'a.example.com', 'mode: SIMPLE, credentialName: a')]),
      secrets: { 'default/a': credential('a.example.com') },
    })
    if (lab === undefined) return
    const [port = 0] = lab.ports
    const { serial } = await call(port, 'a.example.com')
    const kept = new https.Agent({ keepAlive: true, maxSockets: 4 })
    t.after(() => kept.destroy())
    let loading = true
    let done = 0
    const load = [kept, kept, undefined, undefined].map(async (agent) => {
      while (loading) {
        assert.equal((await call(port, 'a.example.com', agent === undefined ? {} : { agent })).status, 200)
        done++
      }
    })
    for (let round = 0; round < 3; round++) {
      const before = (await call(port, 'a.example.com')).serial
      lab.setSecret('default/a', credential('a.example.com'))
      await waitFor(async () => (await call(port, 'a.example.com')).serial !== before, { what: 'the renewed certificate' })
    }
    loading = false
    await Promise.all(load)
    assert.ok(done > 10, `${done} requests`)
    assert.notEqual((await call(port, 'a.example.com')).serial, serial)
  })

  test(`${kind}: plaintext is sent to https, or served; TCP and TLS that is passed through reach the application unread`, async (t) => {
    const vault = outside.issue({ dns: 'vault.example.com' })
    const application = tls.createServer({ cert: vault.chainPem, key: vault.keyPem }, (socket) => socket.end('unread'))
    application.on('tlsClientError', () => undefined)
    application.listen(0, '127.0.0.1')
    t.after(() => application.close())
    await new Promise((resolve) => application.once('listening', resolve))
    const address = application.address()
    assert.ok(address !== null && typeof address === 'object')
    const lab = await startGatewayLab(t, {
      kind,
      raw: address.port,
      objects: ([http80, redirect, passed, tcp]) => `${gateway([
        `{bind: 127.0.0.1, port: {number: ${http80}, name: http, protocol: HTTP}, hosts: ["*.example.com"]}`,
        `{bind: 127.0.0.1, port: {number: ${redirect}, name: redirect, protocol: HTTP}, hosts: ["*"], tls: {httpsRedirect: true}}`,
        `{bind: 127.0.0.1, port: {number: ${passed}, name: passed, protocol: TLS}, hosts: ["vault.example.com"], tls: {mode: PASSTHROUGH}}`,
        `{bind: 127.0.0.1, port: {number: ${tcp}, name: tcp, protocol: TCP}, hosts: ["*"]}`,
      ])}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: raw, namespace: default}
spec:
  hosts: [vault.example.com]
  gateways: [edge]
  tls: [{match: [{port: ${passed}, sniHosts: [vault.example.com]}], route: [{destination: {host: web, port: {number: 81}}}]}]
  tcp: [{match: [{port: ${tcp}}], route: [{destination: {host: web, port: {number: 81}}}]}]
`,
    })
    if (lab === undefined) return
    const [http80 = 0, redirect = 0, passed = 0, tcp = 0] = lab.ports
    assert.equal((await plain(http80, 'a.example.com')).statusCode, 200)
    assert.equal((await plain(http80, 'unknown.net')).statusCode, 404)
    const moved = await plain(redirect, 'a.example.com')
    assert.equal(moved.statusCode, 301)
    assert.equal(moved.headers.location, 'https://a.example.com/a?b')
    for (const port of [passed, tcp]) assert.equal(await readAll(port, 'vault.example.com'), 'unread')
    await assert.rejects(readAll(passed, 'other.example.com'))
  })
}

for (const kind of PROXIES) {
  test(`${kind}: an egress gateway takes mutual TLS of the mesh alone, and calls a partner with the certificate of a secret`, async (t) => {
    const partnerCa = new TestCa('partner')
    const partner = partnerCa.issue({ dns: 'partner.example.com' })
    const callers: string[] = []
    const application = https.createServer(
      { cert: partner.chainPem, key: partner.keyPem, ca: outside.rootPem, requestCert: true },
      (request, response) => {
        if (request.socket instanceof tls.TLSSocket) callers.push(request.socket.getPeerCertificate().subjectaltname ?? '')
        response.end('partner')
      },
    )
    application.listen(0, '127.0.0.1')
    t.after(() => application.close())
    await new Promise((resolve) => application.once('listening', resolve))
    const address = application.address()
    assert.ok(address !== null && typeof address === 'object')
    const lab = await startGatewayLab(t, {
      kind,
      objects: ([port]) => `${gateway([https1(port, 'mesh', 'partner.example.com', 'mode: ISTIO_MUTUAL')])}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: partner, namespace: default}
spec:
  hosts: [partner.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: ${address.port}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: partner, namespace: default}
spec: {host: partner.example.com, trafficPolicy: {tls: {mode: MUTUAL, credentialName: partner, sni: partner.example.com}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: partner, namespace: default}
spec:
  hosts: [partner.example.com]
  gateways: [edge]
  http: [{route: [{destination: {host: partner.example.com, port: {number: 80}}}]}]
`,
      secrets: { 'default/partner': { ...credential('us.example.com'), 'ca.crt': partnerCa.rootPem } },
    })
    if (lab === undefined) return
    const [port = 0] = lab.ports
    const { chainPem: cert, keyPem: key } = lab.ca.issue('spiffe://cluster.local/ns/default/sa/web')
    // The gateway shows its identity of the mesh, which has no DNS name.
    const ofMesh = { cert, key, ca: lab.ca.rootPem, checkServerIdentity: () => undefined }
    const answer = await call(port, 'partner.example.com', ofMesh)
    assert.deepEqual([answer.status, answer.body], [200, 'partner'])
    assert.match(answer.shown, /spiffe:\/\/cluster\.local\/ns\/default\/sa\/gateway/)
    assert.deepEqual(callers, ['DNS:us.example.com'])
    await assert.rejects(call(port, 'partner.example.com', { ca: lab.ca.rootPem, checkServerIdentity: () => undefined }))
  })
}

function readAll(port: number, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const raw = net.connect({ port, host: '127.0.0.1' })
    raw.on('error', reject)
    const socket = tls.connect({ socket: raw, servername, ca: outside.rootPem })
    let text = ''
    socket.on('data', (chunk) => {
      text += String(chunk)
    })
    socket.on('error', reject)
    socket.on('close', () => (text === '' ? reject(new Error('closed')) : resolve(text)))
  })
}

test('our proxy with two data threads: secrets reach each, and a new one too', async (t) => {
  const lab = await startGatewayLab(t, {
    kind: 'our proxy',
    threads: 2,
    objects: ([port]) => gateway([https1(port, 'a', 'a.example.com', 'mode: SIMPLE, credentialName: a')]),
    secrets: { 'default/a': credential('a.example.com') },
  })
  assert.ok(lab !== undefined)
  const [port = 0] = lab.ports
  const old = await call(port, 'a.example.com')
  lab.setSecret('default/a', credential('a.example.com'))
  const isNew = async (): Promise<boolean> => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => call(port, 'a.example.com')))
    return answers.every(({ serial }) => serial !== old.serial)
  }
  await waitFor(isNew, { what: 'the new certificate in every thread' })
})
