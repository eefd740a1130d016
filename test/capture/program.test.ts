// `lateen iptables` as a process, against the real kernel: repeats, changes, clean-up, both kinds of iptables, and what goes wrong.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { makeNamespace, rulesOf, whatIsMissing } from './namespaces.ts'

const skip = whatIsMissing()
const ALL = ['-i', '*', '-b', '*', '-d', '15090,15021,15020']
const BOTH = ['iptables-nft', 'ip6tables-nft']

test('a second run finds the rules in place and changes nothing', { skip }, (t) => {
  const namespace = makeNamespace(t)
  const first = namespace.lateen(...ALL)
  assert.equal(first.status, 0, first.stderr)
  assert.match(first.stdout, /IPv4 \(iptables-nft: .*\): 19 rules set, and read back\nIPv6 .*19 rules set/)
  const rules = rulesOf(namespace, ...BOTH)
  const second = namespace.lateen(...ALL)
  assert.equal(second.status, 0, second.stderr)
  assert.match(second.stdout, /IPv4 .*: all 19 rules are in place\nIPv6 .*: all 19 rules are in place/)
  assert.equal(rulesOf(namespace, ...BOTH), rules)
})

test('rules that differ, by hand or by other options, are replaced; what others made stays', { skip }, (t) => {
  const namespace = makeNamespace(t)
  namespace.output('iptables-nft', '-t', 'nat', '-A', 'OUTPUT', '-d', '9.9.9.9/32', '-j', 'ACCEPT')
  namespace.lateen(...ALL)
  const wanted = rulesOf(namespace, ...BOTH)
  namespace.output('iptables-nft', '-t', 'nat', '-D', 'LATEEN_OUTPUT', '4')
  namespace.output('iptables-nft', '-t', 'nat', '-A', 'OUTPUT', '-j', 'LATEEN_OUTPUT')
  namespace.output('iptables-nft', '-t', 'nat', '-N', 'LATEEN_OLD')
  assert.match(
    namespace.lateen(...ALL).stdout,
    /IPv4 .*19 rules set, in place of others \(nat OUTPUT: 1 unexpected; nat LATEEN_OUTPUT: 1 missing; nat LATEEN_OLD left over\)/,
  )
  assert.equal(rulesOf(namespace, ...BOTH), wanted)
  assert.equal(namespace.lateen('-i', '10.0.0.0/8', '-c', 'net1', '-k', 'tap0', '--drop-invalid').status, 0)
  assert.equal(namespace.lateen(...ALL).status, 0)
  assert.equal(rulesOf(namespace, ...BOTH), wanted)
  assert.match(wanted, /-A OUTPUT -d 9\.9\.9\.9\/32 -j ACCEPT/)
})

for (const flavour of ['nft', 'legacy']) {
  test(`clean-up leaves exactly what was there before (${flavour})`, { skip }, (t) => {
    const namespace = makeNamespace(t)
    const programs = [`iptables-${flavour}`, `ip6tables-${flavour}`]
    for (const program of programs) {
      namespace.output(program, '-t', 'nat', '-A', 'PREROUTING', '-i', 'net7', '-j', 'RETURN')
      namespace.output(program, '-t', 'mangle', '-N', 'MINE')
      namespace.output(program, '-A', 'INPUT', '-p', 'tcp', '--dport', '1', '-j', 'DROP')
    }
    const before = rulesOf(namespace, ...programs)
    const options = [...ALL, '-c', 'net7', '-k', 'tap0', '--drop-invalid', '--redirect-dns', '--capture-all-dns']
    assert.match(namespace.lateen(...options).stdout, new RegExp(`iptables-${flavour}: `))
    assert.notEqual(rulesOf(namespace, ...programs), before)
    const cleaned = namespace.lateen('--cleanup')
    assert.equal(cleaned.status, 0, cleaned.stderr)
    assert.equal(rulesOf(namespace, ...programs), before)
    assert.match(namespace.lateen('--cleanup').stdout, /nothing to remove/)
  })
}

test('where legacy tables hold rules, legacy is used; elsewhere nft', { skip }, (t) => {
  const namespace = makeNamespace(t)
  assert.match(namespace.lateen(...ALL).stdout, /IPv4 \(iptables-nft: the legacy tables are empty\)/)
  namespace.lateen('--cleanup')
  namespace.output('iptables-legacy', '-A', 'INPUT', '-p', 'tcp', '--dport', '1', '-j', 'DROP')
  assert.match(namespace.lateen(...ALL).stdout, /IPv4 \(iptables-legacy: the legacy tables hold rules\)/)
  assert.match(namespace.lateen(...ALL, '--force-iptables-binary', 'nft').stdout, /IPv4 \(iptables-nft: it was asked for\)/)
  namespace.lateen('--cleanup')
  assert.equal(rulesOf(namespace, ...BOTH), '', 'clean-up looks at both')
  assert.doesNotMatch(rulesOf(namespace, 'iptables-legacy'), /LATEEN/)
})

test('a pod that another mesh captures is left alone, unless forced', { skip }, (t) => {
  const namespace = makeNamespace(t)
  namespace.output('iptables-nft', '-t', 'nat', '-N', 'ISTIO_OUTPUT')
  const refused = namespace.lateen(...ALL)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /another mesh captures this pod already \(chain ISTIO_OUTPUT in table nat\)/)
  assert.doesNotMatch(rulesOf(namespace, ...BOTH), /LATEEN/)
  assert.equal(namespace.lateen(...ALL, '--force-apply').status, 0)
})

test('verify passes with the rules and fails with code 126 without them', { skip }, (t) => {
  const namespace = makeNamespace(t)
  const set = namespace.lateen(...ALL, '--verify')
  assert.match(set.stdout, /verify IPv4 inbound: redirected to port 15006/)
  assert.equal(set.status, 0, set.stdout + set.stderr)
  assert.equal(namespace.lateen('--skip-rule-apply', '--run-validation').status, 0)
  namespace.lateen('--cleanup')
  const missing = namespace.lateen('--skip-rule-apply', '--run-validation', '--probe-timeout', '200ms')
  assert.equal(missing.status, 126)
  assert.match(missing.stdout, /verify IPv4 inbound: 127\.0\.0\.6:15002 is not redirected to port 15006 \(ECONNREFUSED\)/)
})

test('the capabilities of an init container are enough; who the proxy is cannot be checked with them', { skip }, (t) => {
  const namespace = makeNamespace(t)
  const lateen = [process.execPath, path.resolve(import.meta.dirname, '../../src/bin/lateen.ts'), 'iptables', ...ALL]
  const rights = ['--bounding-set=-all,+net_admin,+net_raw', '--inh-caps=-all', '--no-new-privs']
  const inside = ['netns', 'exec', namespace.name, 'setpriv']
  const set = spawnSync('ip', [...inside, ...rights, ...lateen, '--verify'], { encoding: 'utf8' })
  assert.match(set.stdout, /IPv4 .*19 rules set, and read back/)
  assert.match(set.stdout, /verify IPv4 inbound: not checked: this process may not become the proxy's user/)
  assert.equal(set.status, 1, 'there is no route to the outside either')
  const proxyUser = ['--reuid', '1337', '--regid', '1337', '--clear-groups', '--bounding-set=-all', '--no-new-privs']
  const validated = spawnSync('ip', [...inside, ...proxyUser, ...lateen, '--skip-rule-apply', '--run-validation'], { encoding: 'utf8' })
  assert.match(validated.stdout, /verify IPv4 inbound: redirected to port 15006/)
  assert.equal(validated.status, 0, validated.stderr)
})

test('without NET_ADMIN, and without iptables, the message says what to do', { skip }, (t) => {
  const namespace = makeNamespace(t)
  const program = [process.execPath, path.resolve(import.meta.dirname, '../../src/bin/lateen.ts'), 'iptables', ...ALL]
  const inside = ['netns', 'exec', namespace.name]
  const powerless = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin']
  const denied = spawnSync('ip', [...inside, ...powerless, ...program], { encoding: 'utf8' })
  assert.equal(denied.status, 1)
  assert.match(denied.stderr, /give the container the capabilities NET_ADMIN and NET_RAW/)
  const bare = spawnSync('ip', [...inside, 'env', 'PATH=/nowhere', ...program], { encoding: 'utf8' })
  assert.equal(bare.status, 1)
  assert.match(bare.stderr, /iptables-nft-save is not installed/)
})
