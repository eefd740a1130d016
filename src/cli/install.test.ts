// install, upgrade and uninstall from outside: `helm` is a program in PATH that writes down how it was called and answers as told.
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Ran, runWords } from './heard.fixture.ts'

interface Called extends Ran {
  /** One line per call of helm. */
  readonly calls: readonly string[]
}

interface Place {
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
}

/** @param script what helm does, as shell; its words are "$@". */
function withHelm(t: TestContext, script: string | undefined): Place {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-install-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const bin = path.join(folder, 'bin')
  mkdirSync(bin)
  if (script !== undefined) {
    writeFileSync(path.join(bin, 'helm'), `#!/bin/sh\necho "$@" >> "${folder}/calls"\n${script}\n`)
    chmodSync(path.join(bin, 'helm'), 0o755)
  }
  return { folder, env: { PATH: script === undefined ? bin : `${bin}:/usr/bin:/bin`, HOME: folder } }
}

async function lateen({ folder, env }: Place, ...words: readonly string[]): Promise<Called> {
  const ran = await runWords(words, { cwd: folder, env })
  const calls = path.join(folder, 'calls')
  return { ...ran, calls: existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : [] }
}

const MANIFEST = `
kind: Deployment
metadata: {name: a, namespace: n}
spec: {replicas: 1}
---
kind: Service
metadata: {name: b, namespace: n}
`

/** A release whose upgrade renders `after`. */
const released = (after: string): string => `
case "$1 $2" in
  "get manifest") cat <<'EOF'
${MANIFEST}
EOF
  ;;
  *) case "$*" in *--dry-run=server*) cat <<'EOF'
${JSON.stringify({ manifest: after })}
EOF
  ;; *) echo upgraded ;; esac ;;
esac`

test('without helm, the command says what to install and where the chart is', async (t) => {
  const ran = await lateen(withHelm(t, undefined), 'install')
  assert.equal(ran.code, 1)
  assert.match(ran.err, /no program `helm` in PATH.*Install Helm.*charts\/mesh/)
})

test('install hands values, profile and revision to helm and waits', async (t) => {
  const ran = await lateen(
    withHelm(t, 'echo installed'),
    ...['install', '--profile', 'ha', '--revision', 'v2', '-n', 'mesh', '--set', 'a=1', '--set', 'b=2', '-f', 'mine.yaml'],
  )
  assert.equal(ran.code, 0, ran.err)
  assert.match(
    ran.calls[0] ?? '',
    /^install lateen-v2 \S+\/charts\/mesh --namespace mesh --values mine.yaml --set profile=ha --set-string revision=v2 --set a=1 --set b=2 --create-namespace --wait --timeout 5m$/,
  )
})

test('a dry run renders and installs nothing', async (t) => {
  const ran = await lateen(withHelm(t, 'echo "kind: Deployment"'), 'install', '--dry-run')
  assert.equal(ran.out, 'kind: Deployment\n')
  assert.deepEqual(
    ran.calls.map((call) => call.split(' ')[0]),
    ['template'],
  )
})

test('a release that is there already is named, with the command that changes it', async (t) => {
  const ran = await lateen(withHelm(t, 'echo "Error: cannot re-use a name that is still in use" >&2; exit 1'), 'install')
  assert.equal(ran.code, 1)
  assert.match(ran.err, /installed already; change it with: lateen upgrade/)
})

test('a cluster that does not answer has an exit code of its own', async (t) => {
  const ran = await lateen(withHelm(t, 'echo "Error: Kubernetes cluster unreachable" >&2; exit 1'), 'install')
  assert.equal(ran.code, 3)
})

test('upgrade shows what changes, object by object, and keeps the values', async (t) => {
  const after = MANIFEST.replace('replicas: 1', 'replicas: 2').concat('---\nkind: ConfigMap\nmetadata: {name: c, namespace: n}\n')
  const ran = await lateen(withHelm(t, released(after)), 'upgrade')
  assert.equal(ran.code, 0, ran.err)
  assert.match(ran.err, / {2}\+ ConfigMap n\/c\n {2}~ Deployment n\/a\n$/)
  assert.equal(ran.out, 'upgraded\n')
  assert.match(ran.calls.at(-1) ?? '', /^upgrade lateen .*--reset-then-reuse-values --wait/)
})

test('an upgrade that removes something is done only with --yes', async (t) => {
  const [first = ''] = MANIFEST.split('---')
  const refused = await lateen(withHelm(t, released(first)), 'upgrade')
  assert.equal(refused.code, 1)
  assert.match(refused.err, / {2}- Service n\/b\n.*say --yes/s)
  assert.equal(refused.out, '')
  const done = await lateen(withHelm(t, released(first)), 'upgrade', '--yes')
  assert.equal(done.code, 0)
  assert.equal(done.out, 'upgraded\n')
})

test('an upgrade without a change says so', async (t) => {
  const ran = await lateen(withHelm(t, released(`# other comments\n${MANIFEST}`)), 'upgrade', '--dry-run')
  assert.match(ran.err, /nothing changes/)
  assert.equal(ran.calls.length, 2)
})

test('uninstall names the pods that keep their sidecars, and does nothing without --yes', async (t) => {
  const status = JSON.stringify({ revision: 'default' })
  const pods = [
    { metadata: { name: 'web', namespace: 'shop', annotations: { 'sidecar.istio.io/status': status } } },
    { metadata: { name: 'plain', namespace: 'shop' } },
  ]
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ apiVersion: 'v1', kind: 'PodList', metadata: { resourceVersion: '1' }, items: pods }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const place = withHelm(t, released(MANIFEST))
  const file = path.join(place.folder, 'kubeconfig')
  writeFileSync(
    file,
    `apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:${port}', insecure-skip-tls-verify: true}}]\nusers: [{name: u, user: {}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n`,
  )
  const asked = await lateen(place, 'uninstall', '--kubeconfig', file)
  assert.equal(asked.code, 1)
  assert.match(asked.err, /1 pods in shop keep their sidecars.*webhooks go first.*say --yes/s)
  assert.ok(!asked.calls.some((call) => call.startsWith('uninstall')))
  const done = await lateen(place, 'uninstall', '--kubeconfig', file, '--yes')
  assert.equal(done.code, 0, done.err)
  assert.match(done.calls.at(-1) ?? '', /^uninstall lateen --namespace lateen-system/)
})
