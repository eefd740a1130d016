// Two thousand generated cases: what a real Envoy does with any table and any request, our proxy does, or explained.ts says why not.
// A failure prints the case made smaller, ready to become a file of test/differential/cases. More cases: `npm run differential`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findEnvoy } from '../../harness/envoy.ts'
import { oneOfEachKind, runGenerated, smallest } from './generated.ts'

const SEED = 5
const CASES = 2000
const skip =
  findEnvoy() === undefined && process.env.CI !== 'true' ? "no Envoy here; 'npm run envoy' installs one, or set ENVOY_BINARY" : false

test(`${CASES} generated cases`, { skip }, async () => {
  const differences = await runGenerated(SEED, CASES, () => undefined)
  const kinds = oneOfEachKind(differences)
  const first = kinds[0]?.[0]
  const shown = first === undefined ? '' : await smallest(first)
  assert.equal(differences.length, 0, `${differences.length} differences of ${kinds.length} kinds; the first, made smaller:\n${shown}`)
})
