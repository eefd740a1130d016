// A pod waits for the init container: it loads its own files and nothing else.
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { build } from 'esbuild'

const root = path.resolve(import.meta.dirname, '../..')
const MOST_BYTES = 80_000

test('lateen iptables loads capture, a few files of base, and no package', async () => {
  const { metafile, outputFiles } = await build({
    entryPoints: [path.join(root, 'src/bin/iptables.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    write: false,
    metafile: true,
    absWorkingDir: root,
    logLevel: 'silent',
  })
  const foreign = Object.keys(metafile.inputs).filter((file) => !/^src\/(?:capture|base)\/|^src\/bin\/iptables\.ts$/.test(file))
  assert.deepEqual(foreign, [])
  const bytes = outputFiles[0]?.contents.length ?? 0
  assert.ok(bytes > 0 && bytes < MOST_BYTES, `${bytes} bytes`)
})
