// What `kubectl get` shows of our kinds without being asked for YAML.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'

const FOLDER = new URL('../../crds/', import.meta.url)
/** No proxy's configuration says that it came from one of these: Programmed is always Unknown. */
const UNTRACKED = ['WorkloadEntry', 'WorkloadGroup', 'ProxyConfig']

interface Crd {
  readonly spec: {
    readonly names: { readonly kind: string }
    readonly versions: readonly { readonly additionalPrinterColumns?: readonly { readonly name: string; readonly priority?: number }[] }[]
  }
}

test('kubectl get shows of every object whether it is accepted and programmed, and with -o wide at how many proxies', () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'))) {
    const { spec } = parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Crd
    const wanted = UNTRACKED.includes(spec.names.kind) ? ['Accepted'] : ['Accepted', 'Programmed', 'Proxies']
    for (const { additionalPrinterColumns: columns = [] } of spec.versions) {
      assert.deepEqual(
        columns.map(({ name }) => name).filter((name) => wanted.includes(name)),
        wanted,
        file,
      )
      assert.ok(
        columns.every(({ name, priority = 0 }) => name !== 'Proxies' || priority === 1),
        file,
      )
    }
  }
})
