// What may be inside the proxy's bundle. Used by the build, which fails on it, and by test/house/bundle.test.ts, which walks it again.
import { isBuiltin } from 'node:module'
import type { Metafile } from 'esbuild'

/** Loaded only by a dynamic import, when a listener needs the original destination or a pattern needs RE2. */
export const PROXY_EXTERNALS = ['koffi', 're2js'] as const

/** Names of the packages of which a file got into the bundle. */
export function packagesIn(metafile: Metafile): readonly string[] {
  const inside = Object.keys(metafile.inputs).flatMap((file) => {
    const parts = file.split('node_modules/').at(-1)?.split('/') ?? []
    if (!file.includes('node_modules/')) return []
    return [parts[0]?.startsWith('@') === true ? `${parts[0]}/${parts[1]}` : (parts[0] ?? file)]
  })
  return [...new Set(inside)].sort()
}

/** Imports of the bundle that are neither Node's own nor a permitted external by a dynamic import. */
export function forbiddenImports(metafile: Metafile): readonly string[] {
  const permitted = new Set<string>(PROXY_EXTERNALS)
  return Object.values(metafile.outputs).flatMap((output) =>
    output.imports
      .filter(({ path, external }) => external === true && !isBuiltin(path))
      .filter(({ path, kind }) => !(permitted.has(path) && kind === 'dynamic-import'))
      .map(({ path, kind }) => `${path} (${kind})`),
  )
}
