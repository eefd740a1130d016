// npm run gen: writes everything that is generated. With --check it writes nothing and fails when a file on disk differs.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { generateApi } from './gen-api.ts'
import { generateChart } from './gen-chart.ts'
import { generateEnvoy } from './gen-envoy.ts'

const root = path.resolve(import.meta.dirname, '..')
const check = process.argv.includes('--check')
const stale: string[] = []

for (const generate of [generateEnvoy, generateApi, generateChart]) {
  for (const [name, content] of await generate()) {
    const file = path.join(root, name)
    const present = await readFile(file, 'utf8').catch(() => undefined)
    if (present === content) continue
    stale.push(name)
    if (check) continue
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, content)
    console.log(`wrote ${name}`)
  }
}

if (check && stale.length > 0) {
  console.error(`generated files differ from their sources; run 'npm run gen' and commit:\n  ${stale.join('\n  ')}`)
  process.exitCode = 1
} else {
  console.log(stale.length === 0 ? 'generated code is up to date' : `${stale.length} files written`)
}
