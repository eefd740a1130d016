// Generates src/api/generated/ from crds/ and src/api/core/, and docs/findings.md from the catalogue.
// Called by scripts/gen.ts (which also checks for drift); `node scripts/gen-api.ts` writes by itself.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { emitFindings } from './gen-api/emit-findings.ts'
import { emitRegistry, emitSchema } from './gen-api/emit-schema.ts'
import { emitTypes, fileNameOf } from './gen-api/emit-types.ts'
import { loadKinds } from './gen-api/load.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Path from the repository's root -> content. Writes nothing. */
export async function generateApi(): Promise<Map<string, string>> {
  const kinds = loadKinds(root)
  const files = new Map<string, string>()
  for (const kind of kinds) {
    const base = `src/api/generated/${fileNameOf(kind.kind)}`
    files.set(`${base}.gen.ts`, emitTypes(kind))
    files.set(`${base}.schema.gen.ts`, emitSchema(kind))
  }
  files.set('src/api/generated/kinds.gen.ts', emitRegistry(kinds))
  files.set('docs/findings.md', emitFindings())
  return files
}

async function main(): Promise<void> {
  for (const [path, content] of await generateApi()) {
    mkdirSync(dirname(root + path), { recursive: true })
    writeFileSync(root + path, content)
  }
}

if (import.meta.main) await main()
