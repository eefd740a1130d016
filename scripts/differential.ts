// npm run differential -- [--cases N] [--seed N] [--kinds N]: generated route tables and requests through a real Envoy and through our
// proxy. Each kind of difference is made smaller and printed as a case that can be committed under test/differential/cases.
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { lineOf } from '../test/differential/different-leaves.ts'
import { oneOfEachKind, runGenerated, smallest } from '../test/differential/generated/generated.ts'

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    kinds: { type: 'string', default: '8' },
  },
})
const cases = Number(values.cases)
const startedMs = performance.now()
console.log(`${cases} cases from seed ${values.seed}`)
const differences = await runGenerated(Number(values.seed), cases, (done, found) => {
  for (const { number, leaves } of found) console.log(`case ${number}\n${leaves.map(lineOf).join('\n')}`)
  console.log(`${done} cases, ${Math.round((performance.now() - startedMs) / 1000)} s`)
})
const kinds = oneOfEachKind(differences)
for (const kind of kinds.slice(0, Number(values.kinds))) {
  const [first] = kind
  if (first === undefined) continue
  console.log(
    `\n--- ${kind.length} like this (cases ${kind
      .slice(0, 5)
      .map(({ number }) => number)
      .join(', ')}); the first, made smaller:\n`,
  )
  console.log(await smallest(first))
}
console.log(`${differences.length} differences of ${kinds.length} kinds`)
process.exitCode = differences.length === 0 ? 0 : 1
