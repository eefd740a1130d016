// npm run build (and npm's `prepare`): src/bin -> dist.
//   dist/lateen.js  a thin dispatcher; everything else in dist/chunks, loaded by the word on the command line. Packages are bundled:
//                   one file per command loads faster than a hundred from node_modules.
//   dist/compile-thread.js  what the control plane's compile thread runs.
//   dist/proxy.js   the sidecar in one file with no package inside: koffi and re2js stay outside and are loaded when something needs them.
//   dist/proxy-thread.js  what a data thread of the sidecar runs (--concurrency N), under the same rule.
// Fails when a package got into the proxy: it would be paid for by every workload of every mesh.
// Built beside dist and swapped in at the end: the first `npx lateen` in a clone runs `prepare`, and a mesh may be running from dist.
import { existsSync, rmSync } from 'node:fs'
import { chmod, mkdtemp, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { build, type Metafile, type Plugin } from 'esbuild'
import { PROXY_EXTERNALS, packagesIn } from './proxy-bundle.ts'

const root = path.resolve(import.meta.dirname, '..')
const dist = path.join(root, 'dist')
const bin = (name: string): string => path.join(root, 'src/bin', name)

/** The dispatcher loads the proxy's own bundle and not a second copy in chunks. */
const proxyStaysApart: Plugin = {
  name: 'proxy-stays-apart',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/proxy\.ts$/ }, ({ importer }) =>
      importer.endsWith(path.join('src', 'bin', 'lateen.ts')) ? { path: './proxy.js', external: true } : undefined,
    )
  },
}

/** CommonJS packages inside call require(); the name is unusual so that it meets none of theirs. */
const REQUIRE = "import { createRequire as lateenCreateRequire } from 'node:module'; const require = lateenCreateRequire(import.meta.url);"

const startedMs = performance.now()
/** As deep as dist, so that the paths in the source maps stay true. */
const fresh = await mkdtemp(path.join(root, 'dist.partial-'))
process.on('exit', () => rmSync(fresh, { recursive: true, force: true }))

const common = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  sourcemap: true,
  metafile: true,
  legalComments: 'none',
  logLevel: 'warning',
  absWorkingDir: root,
} as const

async function buildLateen(): Promise<void> {
  await build({
    ...common,
    entryPoints: { lateen: bin('lateen.ts'), 'compile-thread': bin('compile-thread.ts') },
    outdir: fresh,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    banner: { js: REQUIRE },
    external: [...PROXY_EXTERNALS],
    plugins: [proxyStaysApart],
    minifySyntax: true,
  })
  await chmod(path.join(fresh, 'lateen.js'), 0o755)
}

async function buildProxy(): Promise<Metafile> {
  const { metafile } = await build({
    ...common,
    entryPoints: { proxy: bin('proxy.ts'), 'proxy-thread': bin('proxy-thread.ts') },
    outdir: fresh,
    external: [...PROXY_EXTERNALS],
    minifySyntax: true,
  })
  return metafile
}

/** A short-lived child of the proxy turns a YAML bootstrap into JSON, so that the proxy itself never carries the parser. */
async function buildYamlChild(): Promise<void> {
  await build({
    ...common,
    entryPoints: { 'yaml-to-json': path.join(root, 'src/envoy/yaml-to-json.ts') },
    outdir: fresh,
    banner: { js: REQUIRE },
    minifySyntax: true,
  })
}

/** Two renames: a process that starts between them is the only one that can miss it. */
async function swapIn(): Promise<void> {
  await chmod(fresh, 0o755)
  const old = await mkdtemp(path.join(root, 'dist.partial-'))
  if (existsSync(dist)) await rename(dist, old)
  await rename(fresh, dist)
  await rm(old, { recursive: true, force: true })
}

const missing = ['lateen.ts', 'proxy.ts', 'control-plane.ts'].filter((name) => !existsSync(bin(name)))
if (missing.length > 0) throw new Error(`src/bin has no ${missing.join(', ')}`)
const [metafile] = await Promise.all([buildProxy(), buildLateen(), buildYamlChild()])
const packages = packagesIn(metafile)
if (packages.length > 0) {
  console.error(
    `dist/proxy.js must not contain a package, and contains ${packages.join(', ')}. Import it dynamically and name it in PROXY_EXTERNALS, or not at all.`,
  )
  process.exitCode = 1
} else {
  await swapIn()
  const bytes = Object.entries(metafile.outputs).find(([name]) => name.endsWith('proxy.js'))?.[1].bytes ?? 0
  console.log(`built dist/lateen.js and dist/proxy.js (${Math.round(bytes / 1024)} KB) in ${Math.round(performance.now() - startedMs)} ms`)
}
