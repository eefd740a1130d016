// Generates src/envoy/generated/ from the .proto files of the installed @grpc/grpc-js-xds: interfaces, the full codec table,
// and the small table of what our proxy honours. Called by scripts/gen.ts; `node scripts/gen-envoy.ts` writes by itself.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { emitFullTable, emitProxyTable } from './gen-envoy/emit-table.ts'
import { emitTypes } from './gen-envoy/emit-types.ts'
import { loadModel } from './gen-envoy/load.ts'
import { nameTypes } from './gen-envoy/names.ts'

/** Path from the repository's root -> content. Writes nothing. */
export async function generateEnvoy(): Promise<Map<string, string>> {
  const model = loadModel()
  const names = nameTypes([...model.messages, ...model.enums])
  return new Map([
    ['src/envoy/generated/messages.gen.ts', emitTypes(model, names)],
    ['src/envoy/generated/full-table.gen.ts', emitFullTable(model)],
    ['src/envoy/generated/proxy-table.gen.ts', emitProxyTable(model)],
  ])
}

async function main(): Promise<void> {
  const root = fileURLToPath(new URL('..', import.meta.url))
  for (const [path, content] of await generateEnvoy()) {
    mkdirSync(dirname(root + path), { recursive: true })
    writeFileSync(root + path, content)
    console.log(`${path}: ${content.length} characters`)
  }
}

if (import.meta.main) await main()
