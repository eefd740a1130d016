import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { finding } from '../../api/finding.ts'
import { systemClock } from '../../base/clock.ts'
import { FakeClock } from '../../base/fake-clock.ts'
import { ConfigSource, type IngestState } from './config-source.ts'

const service = (name: string, port = 80): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{name: http, port: ${port}}]}\n`

interface Fixture {
  readonly source: ConfigSource
  readonly folder: string
  readonly overlayFolder: string
  write(name: string, text: string, modified?: Date): Promise<void>
}

/** Time stands still, so only `rescan` reads; file times are set where they matter. */
async function startSource(t: TestContext, files: Readonly<Record<string, string>>, clock = new FakeClock()): Promise<Fixture> {
  const root = await mkdtemp(join(tmpdir(), 'lateen-ingest-'))
  const [folder, overlayFolder] = [join(root, 'mesh'), join(root, 'applied')]
  await mkdir(folder)
  const write = async (name: string, text: string, modified?: Date): Promise<void> => {
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), text)
    if (modified !== undefined) await utimes(join(folder, name), modified, modified)
  }
  for (const [name, text] of Object.entries(files)) await write(name, text, new Date(clock.nowMs() - 1000))
  const source = new ConfigSource({ folder, overlayFolder, check: { defaultNamespace: 'default' }, clock })
  t.after(async () => {
    source.stop()
    await rm(root, { recursive: true })
  })
  await source.start()
  return { source, folder, overlayFolder, write }
}

const serviceNames = ({ state }: IngestState): readonly string[] => [...state.objects.Service.keys()]
const codes = ({ findings }: IngestState): readonly string[] => findings.map(({ code }) => code)
const servicePort = ({ state }: IngestState, name: string): number | undefined =>
  state.objects.Service.get(`default/${name}`)?.spec.ports?.[0]?.port

test('yaml, yml and json are read in every folder; hidden files and foreign json are not', async (t) => {
  const { source } = await startSource(t, {
    'a.yaml': service('a'),
    'deep/er/b.yml': service('b'),
    'c.json': JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'c' }, spec: { ports: [{ name: 'http', port: 80 }] } }),
    'package.json': '{"name": "no-object"}',
    '.hidden.yaml': service('hidden'),
    'node_modules/x/d.yaml': service('dependency'),
    'notes.txt': 'kind: [',
  })

  assert.deepEqual(serviceNames(source.current.value), ['default/a', 'default/b', 'default/c'])
  assert.deepEqual(codes(source.current.value), [])
})

test('a broken file leaves its last good objects in force and says so with the place', async (t) => {
  const { source, folder, write } = await startSource(t, { 'a.yaml': service('a', 80) })

  await write('a.yaml', `${service('a', 81)}---\nkind: [`)
  await source.rescan()

  assert.equal(servicePort(source.current.value, 'a'), 80)
  const [syntax, kept] = source.current.value.findings
  assert.equal(syntax?.code, 'LTN0101')
  assert.deepEqual(syntax?.position?.file, join(folder, 'a.yaml'))
  assert.equal(syntax?.position?.line, 6)
  assert.equal(kept?.code, 'LTN0108')
  assert.match(kept?.message ?? '', /last good content \(1 object\) stays in force/)
})

test('a schema error breaks a file as a syntax error does', async (t) => {
  const { source, write } = await startSource(t, { 'a.yaml': service('a', 80) })

  await write('a.yaml', service('a', 70_000))
  await source.rescan()

  assert.equal(servicePort(source.current.value, 'a'), 80)
  assert.deepEqual(codes(source.current.value), ['LTN0117', 'LTN0108'])
})

test('a corrected file is in force again without a word', async (t) => {
  const { source, write } = await startSource(t, { 'a.yaml': service('a', 80) })
  await write('a.yaml', 'kind: [')
  await source.rescan()

  await write('a.yaml', service('a', 82))
  await source.rescan()

  assert.equal(servicePort(source.current.value, 'a'), 82)
  assert.deepEqual(codes(source.current.value), [])
})

test('a file that was broken from the start gives what is readable in it', async (t) => {
  const { source } = await startSource(t, { 'a.yaml': `${service('good')}---\n${service('bad', 0)}` })

  assert.deepEqual(serviceNames(source.current.value), ['default/good'])
  assert.deepEqual(codes(source.current.value), ['LTN0117', 'LTN0108'])
})

test('a deleted file removes its objects', async (t) => {
  const { source, folder } = await startSource(t, { 'a.yaml': service('a'), 'b.yaml': service('b') })

  await rm(join(folder, 'a.yaml'))
  await source.rescan()

  assert.deepEqual(serviceNames(source.current.value), ['default/b'])
})

test('the same object in two files: the first is in force, the second is named with both places', async (t) => {
  const { source, folder } = await startSource(t, { 'a.yaml': service('a', 80), 'b.yaml': `# a comment\n${service('a', 81)}` })

  assert.equal(servicePort(source.current.value, 'a'), 80)
  const [found] = source.current.value.findings
  assert.equal(found?.code, 'LTN0107')
  assert.deepEqual(found?.position, { file: join(folder, 'b.yaml'), line: 2, column: 1 })
  assert.ok(found?.message.includes(`${join(folder, 'a.yaml')}:1`))
})

test('a Finding of a later stage gets the place of its field', async (t) => {
  const { source, folder } = await startSource(t, { 'a.yaml': `${service('a')}---\n${service('b')}` })
  const object = source.current.value.state.objects.Service.get('default/b')
  assert.ok(object !== undefined)

  const [located] = await source.locate([finding('LTN0148', object, 'spec.ports[0].port', { name: 'b', port: 80 })])

  assert.deepEqual(located?.position, { file: join(folder, 'a.yaml'), line: 9, column: 35 })
})

test('a reading that changes nothing publishes nothing, and a change keeps what it did not touch', async (t) => {
  const { source, write } = await startSource(t, { 'a.yaml': service('a'), 'b.yaml': service('b') })
  const before = source.current.value.state

  await source.rescan()
  assert.equal(source.current.value.state, before)

  await write('b.yaml', service('b', 99))
  await source.rescan()
  const after = source.current.value.state
  assert.equal(after.revision, before.revision + 1)
  assert.equal(after.objects.Service.get('default/a'), before.objects.Service.get('default/a'))
  assert.equal(after.objects.Namespace, before.objects.Namespace)
})

test('a security object with errors stays as unreadable with its selector, so that compile can deny', async (t) => {
  const policy =
    'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\nspec: {selector: {matchLabels: {app: a}}, rulez: []}\n'
  const { source, write } = await startSource(t, { 'a.yaml': service('a') })

  await write('a.yaml', `${service('a')}---\n${policy}`)
  await source.rescan()

  const kept = source.current.value.state.objects.AuthorizationPolicy.get('default/p')
  assert.equal(kept?.unreadable, true)
  assert.deepEqual(kept?.spec, { selector: { matchLabels: { app: 'a' } } })
  assert.deepEqual(serviceNames(source.current.value), ['default/a'])
})

test('the watch notices a new file, an atomic replacement and a new folder by itself', async (t) => {
  const { source, folder, write } = await startSource(t, { 'a.yaml': service('a') }, new RealTimes())
  const until = (wanted: (state: IngestState) => boolean): Promise<void> =>
    new Promise((resolve) => {
      if (wanted(source.current.value)) return resolve()
      const stop = source.current.watch((state) => {
        if (!wanted(state)) return
        stop()
        resolve()
      })
    })

  await write('b.yaml', service('b'))
  await until((state) => serviceNames(state).includes('default/b'))

  await writeFile(join(folder, 'b.yaml.tmp'), service('b', 81))
  await rename(join(folder, 'b.yaml.tmp'), join(folder, 'b.yaml'))
  await until((state) => servicePort(state, 'b') === 81)

  await write('new/c.yaml', service('c'))
  await until((state) => serviceNames(state).includes('default/c'))
})

/** A fake clock by type, the system's by behaviour: for the one test that is about real events. */
class RealTimes extends FakeClock {
  override nowMs = systemClock.nowMs
  override monotonicMs = systemClock.monotonicMs
  override after = systemClock.after
}

test('an applied object is in force, is kept over a restart, and can be deleted', async (t) => {
  const { source, folder, overlayFolder } = await startSource(t, {})

  const outcome = await source.apply(service('a'), 'stdin')
  assert.deepEqual(outcome.changes, [{ object: { kind: 'Service', namespace: 'default', name: 'a' }, change: 'created' }])
  assert.deepEqual(serviceNames(source.current.value), ['default/a'])
  assert.equal((await source.apply(service('a'), 'stdin')).changes[0]?.change, 'unchanged')

  const again = new ConfigSource({ folder, overlayFolder, check: { defaultNamespace: 'default' }, clock: new FakeClock() })
  t.after(() => again.stop())
  await again.start()
  assert.deepEqual(serviceNames(again.current.value), ['default/a'])
  const [kept = ''] = await readdir(overlayFolder)
  assert.equal((await stat(join(overlayFolder, kept))).mode & 0o777, 0o600)

  assert.deepEqual(await again.delete({ kind: 'Service', namespace: 'default', name: 'a' }), { ok: true, value: undefined })
  assert.deepEqual(serviceNames(again.current.value), [])
  assert.deepEqual(await readdir(overlayFolder), [])
})

test('of a file and an applied object the newer is in force', async (t) => {
  const clock = new FakeClock()
  const { source, write } = await startSource(t, { 'a.yaml': service('a', 80) }, clock)

  await source.apply(service('a', 81), 'stdin')
  assert.equal(servicePort(source.current.value, 'a'), 81)
  assert.deepEqual(codes(source.current.value), ['LTN0100'])

  await write('a.yaml', service('a', 82), new Date(clock.nowMs() + 1000))
  await source.rescan()
  assert.equal(servicePort(source.current.value, 'a'), 82)
  assert.deepEqual(codes(source.current.value), [])
})

test('deleting an applied object brings back what a file defines, and says where', async (t) => {
  const { source, folder } = await startSource(t, { 'a.yaml': service('a', 80) }, new FakeClock(Date.now() + 60_000))
  await source.apply(service('a', 81), 'stdin')
  assert.equal(servicePort(source.current.value, 'a'), 81)

  const deleted = await source.delete({ kind: 'Service', namespace: 'default', name: 'a' })

  assert.deepEqual(deleted, { ok: true, value: `${join(folder, 'a.yaml')}:1` })
  assert.equal(servicePort(source.current.value, 'a'), 80)
})

test('deleting an object that a file defines is refused with the place', async (t) => {
  const { source, folder } = await startSource(t, { 'a.yaml': service('a') })

  const refused = await source.delete({ kind: 'Service', namespace: 'default', name: 'a' })

  const message = `Service default/a is defined at ${join(folder, 'a.yaml')}:1; remove it there`
  assert.deepEqual(refused, { ok: false, problems: [{ path: '', message }] })
})

test('deleting what does not exist says so', async (t) => {
  const { source } = await startSource(t, {})

  const refused = await source.delete({ kind: 'Service', namespace: 'default', name: 'a' })

  assert.deepEqual(refused, { ok: false, problems: [{ path: '', message: 'there is no Service default/a' }] })
})

test('of a text with an error nothing is applied', async (t) => {
  const { source, overlayFolder } = await startSource(t, {})

  const outcome = await source.apply(`${service('a')}---\n${service('b', 0)}`, 'stdin')

  assert.deepEqual(outcome.changes, [])
  assert.deepEqual(
    outcome.findings.map(({ code, position }) => [code, position?.line]),
    [['LTN0117', 9]],
  )
  assert.deepEqual(serviceNames(source.current.value), [])
  assert.deepEqual(await readdir(overlayFolder), [])
})
