import assert from 'node:assert/strict'
import { test } from 'node:test'
import { differences, restoreInput } from './change.ts'
import { CHAINS, rule } from './rule.ts'
import { parseSavedRules } from './saved-rules.ts'

const WANTED = [
  rule('nat', 'OUTPUT', {}, CHAINS.output, 'all'),
  rule('nat', CHAINS.output, { uid: 1337 }, 'RETURN', 'no loop'),
  rule('nat', CHAINS.output, {}, CHAINS.redirect, 'captured'),
  rule('nat', CHAINS.redirect, { protocol: 'tcp' }, 'REDIRECT --to-ports 15001', 'target'),
]

const IN_PLACE = `# Generated
*nat
:OUTPUT ACCEPT [0:0]
:LATEEN_OUTPUT - [0:0]
:LATEEN_REDIRECT - [0:0]
-A OUTPUT -d 9.9.9.9/32 -j ACCEPT
[12:720] -A OUTPUT -j LATEEN_OUTPUT
-A LATEEN_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A LATEEN_OUTPUT -j LATEEN_REDIRECT
-A LATEEN_REDIRECT -p tcp -j REDIRECT --to-ports 15001
COMMIT
`

test('rules in place are no difference, whatever others have made', () => {
  assert.deepEqual(differences(parseSavedRules(IN_PLACE), WANTED), [])
})

test('a missing, an unexpected and a reordered rule each are a difference', () => {
  const changed = (from: string, to: string): unknown => differences(parseSavedRules(IN_PLACE.replace(from, to)), WANTED)
  const at = { table: 'nat', chain: 'LATEEN_OUTPUT' }
  const [first, second] = ['-m owner --uid-owner 1337 -j RETURN', '-j LATEEN_REDIRECT']
  assert.deepEqual(changed(`-A LATEEN_OUTPUT ${first}\n`, ''), [{ ...at, missing: [first], unexpected: [] }])
  assert.deepEqual(changed('COMMIT', '-A LATEEN_OUTPUT -j ACCEPT\nCOMMIT'), [{ ...at, missing: [], unexpected: ['-j ACCEPT'] }])
  const swapped = changed(`-A LATEEN_OUTPUT ${first}\n-A LATEEN_OUTPUT ${second}`, `-A LATEEN_OUTPUT ${second}\n-A LATEEN_OUTPUT ${first}`)
  assert.deepEqual(swapped, [{ ...at, missing: [first, second], unexpected: [second, first] }])
})

test('a second jump and an empty chain of ours are leftovers', () => {
  const twice = IN_PLACE.replace('COMMIT', '-A OUTPUT -j LATEEN_OUTPUT\nCOMMIT')
  assert.deepEqual(differences(parseSavedRules(twice), WANTED), [
    { table: 'nat', chain: 'OUTPUT', missing: [], unexpected: ['-j LATEEN_OUTPUT'] },
  ])
  const old = IN_PLACE.replace(':LATEEN_OUTPUT', ':LATEEN_OLD - [0:0]\n:LATEEN_OUTPUT')
  assert.deepEqual(differences(parseSavedRules(old), WANTED), [{ table: 'nat', chain: 'LATEEN_OLD', missing: [], unexpected: [] }])
})

test('a change empties our chains, removes what is ours in others, and adds anew, as one table', () => {
  const saved = parseSavedRules(IN_PLACE.replace(':LATEEN_OUTPUT', ':LATEEN_OLD - [0:0]\n:LATEEN_OUTPUT'))
  assert.equal(
    restoreInput(saved, WANTED),
    `*nat
:LATEEN_OUTPUT - [0:0]
:LATEEN_REDIRECT - [0:0]
:LATEEN_OLD - [0:0]
-D OUTPUT -j LATEEN_OUTPUT
-A OUTPUT -j LATEEN_OUTPUT
-A LATEEN_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A LATEEN_OUTPUT -j LATEEN_REDIRECT
-A LATEEN_REDIRECT -p tcp -j REDIRECT --to-ports 15001
-X LATEEN_OLD
COMMIT
`,
  )
})

test('the clean-up names nothing that is not ours', () => {
  const elsewhere = parseSavedRules('*filter\n:LATEEN_OWN - [0:0]\n-A INPUT -j LATEEN_OWN\nCOMMIT\n')
  assert.deepEqual([differences(elsewhere, []), restoreInput(elsewhere, [])], [[], ''])
  const input = restoreInput(parseSavedRules(IN_PLACE), [])
  assert.doesNotMatch(input, /9\.9\.9\.9/)
  assert.deepEqual(
    input.split('\n').filter((line) => /^-[DX]/.test(line)),
    ['-D OUTPUT -j LATEEN_OUTPUT', '-X LATEEN_OUTPUT', '-X LATEEN_REDIRECT'],
  )
  assert.equal(restoreInput(parseSavedRules('*nat\n:OUTPUT ACCEPT\n-A OUTPUT -d 9.9.9.9/32 -j ACCEPT\nCOMMIT\n'), []), '')
})
