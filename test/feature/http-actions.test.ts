// What an http route may do besides choosing a destination, through our own proxy and through a stock Envoy: the same objects, the same
// answers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROXIES, startRouteLab } from './support/route-lab.ts'

const SERVER = 'route: [{destination: {host: server, port: {number: 9080}}}]'

function virtualService(...http: readonly string[]): string {
  const entries = http.map((entry) => `    - {${entry}}\n`).join('')
  return `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: server, namespace: default}\nspec:\n  hosts: [server]\n  http:\n${entries}`
}

for (const kind of PROXIES) {
  test(`${kind}: the timeout covers the whole request, and is none by default`, async (t) => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const lab = await startRouteLab(
      t,
      kind,
      virtualService(`match: [{uri: {prefix: /limited}}], timeout: 0.1s, retries: {attempts: 0}, ${SERVER}`, SERVER),
      {
        answer: (request, response) => {
          if (request.url === '/') void released.then(() => response.end('late'))
        },
      },
    )
    if (lab === undefined) return

    const unlimited = lab.ask('/')
    const limited = await lab.ask('/limited')
    release()

    assert.equal(limited.status, 504)
    assert.equal((await unlimited).body.toString(), 'late')
  })

  test(`${kind}: retries are made on the conditions and statuses that are named, and on no other`, async (t) => {
    const lab = await startRouteLab(
      t,
      kind,
      virtualService(
        `match: [{uri: {prefix: /thrice}}], retries: {attempts: 2, retryOn: "503", backoff: 1ms, retryIgnorePreviousHosts: false}, ${SERVER}`,
        `match: [{uri: {prefix: /never}}], retries: {attempts: 0}, ${SERVER}`,
        `match: [{uri: {prefix: /reset}}], retries: {attempts: 1, retryOn: reset, backoff: 1ms}, ${SERVER}`,
        SERVER,
      ),
      {
        answer: (request, response) => {
          if (request.url === '/reset' && request.headers['x-envoy-attempt-count'] === '1') request.socket.destroy()
          else response.writeHead(request.url === '/reset' || request.headers['x-envoy-attempt-count'] === '3' ? 200 : 503).end()
        },
      },
    )
    if (lab === undefined) return

    assert.equal((await lab.ask('/thrice')).status, 200)
    assert.equal(lab.received.length, 3)
    assert.equal((await lab.ask('/never')).status, 503)
    assert.equal((await lab.ask('/default')).status, 503)
    assert.equal(lab.received.length, 5)
    assert.equal((await lab.ask('/reset')).status, 200)
    assert.equal(lab.received.length, 7)
  })

  test(`${kind}: an attempt that takes too long is given up, and the next one may answer`, async (t) => {
    const lab = await startRouteLab(
      t,
      kind,
      virtualService(`retries: {attempts: 1, perTryTimeout: 0.1s, retryOn: 5xx, backoff: 1ms}, ${SERVER}`),
      {
        answer: (request, response) => {
          if (request.headers['x-envoy-attempt-count'] === '2') response.end('second')
        },
      },
    )
    if (lab === undefined) return

    assert.equal((await lab.ask('/')).body.toString(), 'second')
  })

  test(`${kind}: redirects say where to go`, async (t) => {
    const lab = await startRouteLab(
      t,
      kind,
      virtualService(
        'match: [{uri: {exact: /uri}}], redirect: {uri: /elsewhere}',
        'match: [{uri: {prefix: /old/}}], redirect: {prefixRewrite: /new/, redirectCode: 308}',
        'match: [{uri: {exact: /host}}], redirect: {authority: example.com, redirectCode: 302}',
        'match: [{uri: {exact: /scheme}}], redirect: {scheme: https, authority: example.com, port: 443, redirectCode: 307}',
        'match: [{uri: {exact: /port}}], redirect: {authority: example.com, port: 8443, scheme: https, redirectCode: 303}',
        'match: [{uri: {exact: /same}}], redirect: {authority: example.com, derivePort: FROM_REQUEST_PORT}',
        'match: [{uri: {exact: /derived}}], redirect: {scheme: https, derivePort: FROM_PROTOCOL_DEFAULT}',
      ),
    )
    if (lab === undefined) return
    const location = async (path: string): Promise<string> => {
      const { status, headers } = await lab.ask(path)
      return `${status} ${headers.location}`
    }

    assert.equal(await location('/uri?q=1'), '301 http://server:9080/elsewhere?q=1')
    assert.equal(await location('/old/page?q=1'), '308 http://server:9080/new/page?q=1')
    assert.equal(await location('/host'), '302 http://example.com/host')
    assert.equal(await location('/scheme'), '307 https://example.com/scheme')
    assert.equal(await location('/port'), '303 https://example.com:8443/port')
    assert.equal(await location('/same'), '301 http://example.com:9080/same')
    assert.equal(await location('/derived'), '301 https://server:9080/derived')
    assert.equal(lab.received.length, 0)
  })

  test(`${kind}: path and host are rewritten before forwarding`, async (t) => {
    const lab = await startRouteLab(
      t,
      kind,
      virtualService(
        `match: [{uri: {prefix: /api}}], rewrite: {uri: /v2, authority: api.example.com}, ${SERVER}`,
        `match: [{uri: {exact: /one}}], rewrite: {uri: /whole}, ${SERVER}`,
        `match: [{uri: {prefix: /user}}], rewrite: {uriRegexRewrite: {match: "^/user/([0-9]+)/(.*)$", rewrite: '/\\2/of/\\1'}}, ${SERVER}`,
        `headers: {request: {set: {":authority": plain.example.com}}}, ${SERVER}`,
      ),
    )
    if (lab === undefined) return
    for (const path of ['/api/list?q=1', '/one', '/user/7/cart', '/']) assert.equal((await lab.ask(path)).status, 200)

    assert.deepEqual(
      lab.received.map(({ url, headers }) => `${headers.host} ${url} ${headers['x-envoy-original-path'] ?? '-'}`),
      [
        'api.example.com /v2/list?q=1 /api/list?q=1',
        'server:9080 /whole /one',
        'server:9080 /cart/of/7 /user/7/cart',
        'plain.example.com / -',
      ],
    )
  })

  test(`${kind}: a direct response needs no destination, and its body may be octets, and long`, async (t) => {
    const long = 'x'.repeat(20_000)
    const lab = await startRouteLab(
      t,
      kind,
      virtualService(
        'match: [{uri: {exact: /text}}], directResponse: {status: 418, body: {string: "short and stout"}}',
        'match: [{uri: {exact: /bytes}}], directResponse: {status: 200, body: {bytes: "/wCA"}}',
        `match: [{uri: {exact: /long}}], directResponse: {status: 200, body: {string: ${long}}}`,
        'directResponse: {status: 503}, headers: {response: {set: {x-from: route}}}',
      ),
    )
    if (lab === undefined) return
    const [text, bytes, whole, bare] = [await lab.ask('/text'), await lab.ask('/bytes'), await lab.ask('/long'), await lab.ask('/')]

    assert.equal(`${text.status} ${text.body}`, '418 short and stout')
    assert.deepEqual([...bytes.body], [0xff, 0x00, 0x80])
    assert.equal(whole.body.toString(), long)
    assert.deepEqual([bare.status, bare.body.length, bare.headers['x-from']], [503, 0, 'route'])
    assert.equal(lab.received.length, 0)
  })

  test(`${kind}: headers are set, added and removed, for the route and for a destination of its own`, async (t) => {
    const lab = await startRouteLab(
      t,
      kind,
      virtualService(
        `match: [{uri: {prefix: /lone}}], headers: {request: {set: {x-a: route}, add: {x-b: "%PROTOCOL% 100%%"}, remove: [x-gone]}, response: {remove: [x-secret]}}, route: [{destination: {host: server, port: {number: 9080}}, headers: {request: {set: {x-c: "%REQ(:path)%"}}, response: {set: {x-d: destination}}}}]`,
        'route: [{destination: {host: server, subset: v1, port: {number: 9080}}, weight: 1, headers: {request: {set: {x-c: one, ":authority": one.example.com}}}}, {destination: {host: server, port: {number: 9080}}, weight: 1, headers: {request: {set: {x-c: two, ":authority": two.example.com}}}}]',
      ),
      { answer: (_request, response) => void response.setHeader('x-secret', 'yes').end('ok') },
    )
    if (lab === undefined) return
    const { headers } = await lab.ask('/lone', { 'x-a': 'client', 'x-b': 'client', 'x-gone': 'client' })
    const seen = lab.received[0]?.headers

    assert.deepEqual(
      [seen?.['x-a'], seen?.['x-b'], seen?.['x-gone'], seen?.['x-c']],
      ['route', 'client, HTTP/1.1 100%', undefined, '/lone'],
    )
    assert.deepEqual([headers['x-secret'], headers['x-d']], [undefined, 'destination'])
    for (let round = 0; round < 12; round++) await lab.ask('/')
    const weighted = new Set(lab.received.slice(1).map((request) => `${request.headers['x-c']} ${request.headers.host}`))
    assert.deepEqual([...weighted].sort(), ['one one.example.com', 'two two.example.com'])
  })

  test(`${kind}: a route may be for some clients, ports or gateways only`, async (t) => {
    const answer = (status: number): string => `directResponse: {status: ${status}}`
    const lab = await startRouteLab(
      t,
      kind,
      virtualService(
        `match: [{sourceLabels: {tier: back}}], ${answer(201)}`,
        `match: [{sourceNamespace: elsewhere}], ${answer(202)}`,
        `match: [{port: 9999}], ${answer(203)}`,
        `match: [{gateways: [edge]}], ${answer(204)}`,
        `match: [{sourceLabels: {app: client, tier: front}, sourceNamespace: default, port: 9080, gateways: [mesh], uri: {exact: /all}}], ${answer(210)}`,
        `match: [{statPrefix: rest}], ${answer(211)}`,
      ),
    )
    if (lab === undefined) return

    assert.equal((await lab.ask('/all')).status, 210)
    assert.equal((await lab.ask('/')).status, 211)
  })
}
