import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainFailure } from './explain-failure.ts'

/** What iptables says, and the words of the advice. */
const SAID: readonly (readonly [string, RegExp])[] = [
  ['iptables-nft-save v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)', /NET_ADMIN/],
  [
    "iptables-restore v1.8.9 (legacy): iptables-restore: unable to initialize table 'nat'\ncan't initialize: Table does not exist",
    /load ip_tables/,
  ],
  ['Warning: Extension owner revision 1 not supported, missing kernel module?', /xt_owner/],
  ['Another app is currently holding the xtables lock; still 0s time ahead', /lock of iptables/],
  ["Fatal: can't open lock file /run/xtables.lock: Read-only file system", /mount an emptyDir at \/run/],
]

for (const [errors, advice] of SAID) {
  test(`explained: ${errors.slice(-60).replaceAll('\n', ' ')}`, () => {
    const message = explainFailure('iptables-restore --noflush', { kind: 'ran', code: 4, output: '', errors })
    assert.match(message, /^iptables-restore --noflush failed with code 4: /)
    assert.match(message, advice)
    assert.ok(message.includes(errors.split('\n')[0] ?? ''), 'its own words stay')
  })
}

test('what is not installed is named with the packages that bring it', () => {
  assert.match(explainFailure('ip -6 address', { kind: 'not-installed' }), /^ip is not installed: .*iproute2/)
})

test('an unknown failure keeps what was said', () => {
  assert.match(
    explainFailure('ip link', { kind: 'ran', code: 2, output: '', errors: 'gone fishing' }),
    /it refused \(it said: gone fishing\)/,
  )
})
