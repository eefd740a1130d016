// npm run fuzz -- SUITE [--seed N] [--seconds N]: one suite of test/fuzz from a new seed, for as long as wanted (a minute, unless said).
// A failure names the seed that repeats it. `bulk` is no noise but a hundred thousand objects, once; it takes two minutes and 1.5 GB.
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'

const SUITES: Readonly<Record<string, string>> = {
  yaml: 'test/fuzz/yaml.test.ts',
  validators: 'test/fuzz/validators.test.ts',
  csr: 'test/fuzz/csr.test.ts',
  x509: 'test/fuzz/x509.test.ts',
  xds: 'test/fuzz/xds-requests.test.ts',
  node: 'test/fuzz/node.test.ts',
  bulk: 'test/fuzz/bulk.test.ts',
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string', default: String(randomInt(2 ** 31)) }, seconds: { type: 'string', default: '60' } },
})
const file = SUITES[positionals[0] ?? '']
if (file === undefined) {
  console.error(`usage: npm run fuzz -- ${Object.keys(SUITES).join('|')} [--seed N] [--seconds N]`)
  process.exitCode = 1
} else {
  console.log(`${file} from seed ${values.seed}, ${values.seconds} seconds for each test`)
  const env = { ...process.env, FUZZ_SEED: values.seed, FUZZ_SECONDS: values.seconds, BULK_OBJECTS: process.env.BULK_OBJECTS ?? '100000' }
  const child = spawn(process.execPath, ['--test', file], { stdio: 'inherit', env })
  child.on('exit', (code) => {
    process.exitCode = code ?? 1
  })
}
