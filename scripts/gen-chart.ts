// What the chart has in common with the code, written by `npm run gen`: its CRDs, the schema of its values, the defaults of the
// injector's fields, and the table of values in docs/kubernetes.md. Invariant: nothing of it is written by hand twice, so a new CRD or a new field of the injector reaches the chart.
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { stringify } from 'yaml'
import { defaultInjectorConfig } from '../src/webhook/injector-config.ts'
import { valuesSchema } from './gen-chart/values-schema.ts'
import { withValuesTable } from './gen-chart/values-table.ts'

const root = path.resolve(import.meta.dirname, '..')

export async function generateChart(): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const name of (await readdir(path.join(root, 'crds'))).filter((each) => each.endsWith('.yaml')).sort()) {
    files.set(`charts/mesh/files/crds/${name}`, await readFile(path.join(root, 'crds', name), 'utf8'))
  }
  files.set('charts/mesh/values.schema.json', `${JSON.stringify(valuesSchema, null, 2)}\n`)
  // Of its own gateways, which the injector does not see.
  files.set('charts/mesh/files/injector-defaults.yaml', stringify(defaultInjectorConfig()))
  files.set('docs/kubernetes.md', withValuesTable(await readFile(path.join(root, 'docs/kubernetes.md'), 'utf8'), valuesSchema))
  return files
}
