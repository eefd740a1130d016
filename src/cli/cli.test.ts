// The commands from outside: words in, text and exit codes out. The mesh is a server on a UNIX socket with the answers of a real one.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Ran, runWords } from './heard.fixture.ts'

/** A home and a working directory of its own per test. */
function sandbox(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-cli-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function lateen(folder: string, words: readonly string[], input = ''): Promise<Ran> {
  return runWords(words, { cwd: folder, env: { XDG_STATE_HOME: path.join(folder, 'state') }, input })
}

type Answers = Readonly<Record<string, (body: string) => { readonly status?: number; readonly body: unknown }>>

/** A running mesh named `name`, known under the state root. */
async function startMesh(t: TestContext, folder: string, name: string, answers: Answers): Promise<string> {
  const state = path.join(folder, 'state', 'lateen', name)
  mkdirSync(state, { recursive: true })
  writeFileSync(path.join(state, 'mesh.json'), JSON.stringify({ dir: path.join(folder, name), mesh: 1, strategy: 'loopback' }))
  const version = (): { readonly status?: number; readonly body: unknown } => ({
    body: { version: '1.2.4', xds: { host: '127.0.0.1', port: 1 } },
  })
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += String(chunk)
    })
    request.on('end', () => {
      const route = `${request.method} ${request.url}`
      const { status = 200, body } = (
        route === 'GET /v1/version' ? version : (answers[route] ?? (() => ({ status: 404, body: { message: route } })))
      )(text)
      response.writeHead(status).end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(path.join(state, 'control.sock'), resolve))
  t.after(() => server.close())
  return state
}

const ROUTE = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
    - route: [{destination: {host: reviews}}]
`
const SERVICE = `apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}
`

test('help names every command, and help of a command its options', async (t) => {
  const folder = sandbox(t)
  const all = await lateen(folder, ['help'])
  assert.equal(all.code, 0)
  for (const word of ['run', 'apply', 'get', 'delete', 'proxy-status', 'analyze', 'version']) {
    assert.match(all.out, new RegExp(`^  ${word} `, 'm'))
    const one = await lateen(folder, ['help', word])
    assert.equal(one.code, 0)
    assert.match(one.out, new RegExp(`^Usage: lateen ${word}`))
  }
})

test('a mistyped command gets a suggestion and exit code 1', async (t) => {
  const ran = await lateen(sandbox(t), ['aply'])
  assert.equal(ran.code, 1)
  assert.match(ran.err, /no command 'aply'; did you mean 'apply'\?/)
})

test('a mistyped option is exit code 1 and says how to get help', async (t) => {
  const ran = await lateen(sandbox(t), ['get', '--outputt', 'json'])
  assert.equal(ran.code, 1)
  assert.match(ran.err, /^lateen: unknown option '--outputt'/)
  assert.match(ran.err, /npx lateen help get/)
})

test('without a mesh a command ends with exit code 3 and says how to start one', async (t) => {
  const ran = await lateen(sandbox(t), ['get'])
  assert.equal(ran.code, 3)
  assert.match(ran.err, /No mesh runs here\. Start one with: npx lateen run/)
})

test('with two meshes a command asks which, and --state answers', async (t) => {
  const folder = sandbox(t)
  const answers: Answers = { 'GET /v1/proxies': () => ({ body: { proxies: [] } }) }
  const one = await startMesh(t, folder, 'one', answers)
  await startMesh(t, folder, 'two', answers)
  const unclear = await lateen(folder, ['proxy-status'])
  assert.equal(unclear.code, 1)
  assert.match(unclear.err, /2 meshes run on this machine/)
  const clear = await lateen(folder, ['proxy-status', '--state', one])
  assert.deepEqual([clear.code, clear.out], [0, 'no sidecar is connected\n'])
})

test('analyze says that there is nothing to say', async (t) => {
  const folder = sandbox(t)
  writeFileSync(path.join(folder, 'mesh.yaml'), `${SERVICE}---\n${ROUTE}`)
  const ran = await lateen(folder, ['analyze', 'mesh.yaml'])
  assert.deepEqual([ran.code, ran.out], [0, 'no problems found\n'])
})

test('analyze finds a mistake in standard input, with its place, and exits with 2 in every format', async (t) => {
  const folder = sandbox(t)
  const wrong = ROUTE.replace('http:', 'htpp:')
  const text = await lateen(folder, ['analyze', '-'], wrong)
  assert.equal(text.code, 2)
  assert.match(text.out, /^stdin:6:3: error LTN\d{4} VirtualService default\/reviews spec\.htpp$/m)
  const json = await lateen(folder, ['analyze', '-', '-o', 'json'], wrong)
  assert.equal(json.code, 2)
  assert.ok(JSON.parse(json.out).findings.length > 0)
})

test('analyze of a file that is not there is exit code 1 with its name', async (t) => {
  const ran = await lateen(sandbox(t), ['analyze', 'nowhere.yaml'])
  assert.equal(ran.code, 1)
  assert.match(ran.err, /no file or directory nowhere\.yaml/)
})

test('apply sends each file and says what changed', async (t) => {
  const folder = sandbox(t)
  const sent: string[] = []
  await startMesh(t, folder, 'one', {
    'POST /v1/apply': (body) => {
      sent.push(JSON.parse(body).name)
      return {
        body: {
          changes: [{ object: { kind: 'VirtualService', namespace: 'default', name: 'reviews' }, change: 'configured' }],
          findings: [],
        },
      }
    },
  })
  writeFileSync(path.join(folder, 'route.yaml'), ROUTE)
  const ran = await lateen(folder, ['apply', '-f', 'route.yaml'])
  assert.deepEqual([ran.code, ran.out, sent], [0, 'VirtualService default/reviews configured\n', ['route.yaml']])
})

test('a file with errors changes nothing, exit code 2; beside a good one exit code 4', async (t) => {
  const folder = sandbox(t)
  const finding = { code: 'LTN0110', severity: 'error', path: 'spec', message: 'it is wrong', hint: 'Mend it.' }
  const good = { object: { kind: 'Service', namespace: 'default', name: 'a' }, change: 'created' }
  await startMesh(t, folder, 'one', {
    'POST /v1/apply': (body) =>
      JSON.parse(body).name === 'bad.yaml'
        ? { status: 422, body: { changes: [], findings: [finding] } }
        : { body: { changes: [good], findings: [] } },
  })
  writeFileSync(path.join(folder, 'bad.yaml'), 'x')
  writeFileSync(path.join(folder, 'good.yaml'), 'x')
  const alone = await lateen(folder, ['apply', '-f', 'bad.yaml'])
  assert.equal(alone.code, 2)
  assert.match(alone.err, /it is wrong\n {4}Mend it\./)
  assert.match(alone.err, /nothing of bad\.yaml was applied/)
  assert.equal((await lateen(folder, ['apply', '-f', 'bad.yaml', 'good.yaml'])).code, 4)
})

test('get prints a table, and YAML that apply takes back', async (t) => {
  const folder = sandbox(t)
  const object = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'reviews', namespace: 'default', labels: {}, annotations: {} },
    spec: { hosts: ['reviews'] },
    source: { file: 'mesh.yaml', line: 3, column: 1, document: 0 },
  }
  await startMesh(t, folder, 'one', {
    'GET /v1/objects?kind=VirtualService': () => ({ body: { objects: [object] } }),
    'GET /v1/objects?kind=VirtualService&name=nope': () => ({ body: { objects: [] } }),
  })
  const shown = await lateen(folder, ['get', 'vs'])
  assert.equal(shown.code, 0)
  assert.match(shown.out, /^NAMESPACE +KIND +NAME +SAYS +FROM\ndefault +VirtualService +reviews +reviews +mesh\.yaml:3\n$/)
  const yaml = await lateen(folder, ['get', 'vs', '-o', 'yaml'])
  assert.equal(
    yaml.out,
    'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: reviews\n  namespace: default\nspec:\n  hosts:\n    - reviews\n',
  )
  const none = await lateen(folder, ['get', 'vs', 'nope'])
  assert.equal(none.code, 2)
  assert.match(none.err, /there is no VirtualService 'nope'/)
})

test('delete passes on why an object was not deleted', async (t) => {
  const folder = sandbox(t)
  await startMesh(t, folder, 'one', {
    'POST /v1/delete': (body) => ({
      status: 409,
      body: {
        results: [
          {
            object: JSON.parse(body).objects[0],
            deleted: false,
            reason: 'VirtualService default/reviews is defined at mesh.yaml:3; remove it there',
          },
        ],
      },
    }),
  })
  const ran = await lateen(folder, ['delete', 'vs', 'reviews'])
  assert.equal(ran.code, 2)
  assert.match(ran.err, /^lateen: not deleted: VirtualService default\/reviews is defined at mesh\.yaml:3/)
})

test('proxy-status shows what sidecars acknowledged, and a refusal is exit code 2', async (t) => {
  const folder = sandbox(t)
  const types = {
    CDS: { state: 'SYNCED' },
    LDS: { state: 'REJECTED', rejection: { message: 'no such field', resources: ['127.1.1.1_9080'] } },
  }
  const identity = 'spiffe://cluster.local/ns/default/sa/a'
  const proxy = { workload: 'a', namespace: 'default', identity, connectedSinceMs: Date.now() - 5000, types }
  await startMesh(t, folder, 'one', { 'GET /v1/proxies': () => ({ body: { proxies: [proxy] } }) })
  const ran = await lateen(folder, ['proxy-status'])
  assert.equal(ran.code, 2)
  assert.match(ran.out, /^a\.default +SYNCED +REJECTED +NOT ASKED +NOT ASKED +NOT ASKED +spiffe:\S+ +\ds$/m)
  assert.match(ran.err, /a\.default refused LDS \(127\.1\.1\.1_9080\) and runs what it had before: no such field/)
})

test('version works without a mesh, and names the one that runs', async (t) => {
  const folder = sandbox(t)
  const alone = await lateen(folder, ['version'])
  assert.equal(alone.code, 0)
  assert.match(alone.out, /^lateen 1\.2\.3 \(Node \d+/)
  await startMesh(t, folder, 'one', {})
  assert.match((await lateen(folder, ['version'])).out, /^mesh {3}1\.2\.4$/m)
})
