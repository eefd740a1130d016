// The proxy's bundle carries no package, and loads its two only when something needs them: every workload pays for what is inside.
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { build } from 'esbuild'
import { forbiddenImports, PROXY_EXTERNALS, packagesIn } from '../../scripts/proxy-bundle.ts'

const root = path.resolve(import.meta.dirname, '../..')

async function bundle(contents: string): ReturnType<typeof build> {
  return build({
    stdin: { contents, resolveDir: path.join(root, 'src/bin'), sourcefile: 'entry.ts', loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    write: false,
    metafile: true,
    external: [...PROXY_EXTERNALS],
    absWorkingDir: root,
    outfile: 'proxy.js',
    logLevel: 'silent',
  })
}

for (const entry of ['proxy.ts', 'proxy-thread.ts']) {
  test(`the bundle of ${entry} contains no package and imports none statically`, async () => {
    const { metafile } = await bundle(`export * from './${entry}'`)
    assert.ok(metafile)
    assert.deepEqual(packagesIn(metafile), [])
    assert.deepEqual(forbiddenImports(metafile), [])
  })

  test(`the bundle of ${entry} takes node:http by base/node-http.ts: an import loads undici and node:http2 beside it`, async () => {
    const { metafile } = await bundle(`export * from './${entry}'`)
    const imports = Object.values(metafile?.outputs ?? {}).flatMap((output) => output.imports.map((each) => each.path))
    assert.ok(imports.includes('node:net'))
    assert.deepEqual(
      imports.filter((each) => each === 'node:http' || each === 'http'),
      [],
    )
  })
}

test('the walk sees a package that got in, and a permitted one that is loaded at the start', async () => {
  const { metafile } = await bundle("import { parse } from 'yaml'\nimport koffi from 'koffi'\nconsole.log(parse, koffi)")
  assert.ok(metafile)
  assert.deepEqual(packagesIn(metafile), ['yaml'])
  assert.deepEqual(forbiddenImports(metafile), ['koffi (import-statement)'])
})
