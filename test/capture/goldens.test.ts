// Options in, rules out: what `lateen iptables --dry-run` prints, as files that a person can review. After a change on purpose:
// UPDATE_GOLDEN=1 node --test test/capture/goldens.test.ts, and read the difference.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { dryRunText } from '../../src/capture/dry-run.ts'
import { readCaptureRequest } from '../../src/capture/read-options.ts'

const FOLDER = path.join(import.meta.dirname, 'cases')
const RESOLV_CONF = 'search svc.cluster.local\nnameserver 10.96.0.10\nnameserver fd00:10:96::a\n'
const GROUP_FILE = 'root:x:0:\njava:x:3000:\n'

interface Case {
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** What an injected init container gets. */
const INJECTED = ['-p', '15001', '-z', '15006', '-u', '1337', '-m', 'REDIRECT', '-i', '*', '-x', '', '-b', '*', '-d', '15090,15021,15020']

const CASES: Readonly<Record<string, Case>> = {
  injected: { args: INJECTED },
  nothing: { args: [] },
  'ports-and-ranges': { args: ['-b', '80,443', '-i', '10.1.2.3/8,fd00::1/8', '-x', '10.2.0.0/16,1.1.1.1', '-q', '3306', '-o', '25,9042'] },
  'loopback-included': { args: ['-i', '127.1.2.3/32,10.0.0.0/8', '-b', '*'] },
  'uids-and-gids': { args: [...INJECTED, '-u', '1337,2000', '-g', '1337,3000'] },
  'owner-groups-only': { args: INJECTED, env: { ISTIO_OUTBOUND_OWNER_GROUPS: 'java,202' } },
  'owner-groups-excluded': { args: INJECTED, env: { ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: 'java,202' } },
  'interfaces-excluded': { args: [...INJECTED, '-c', 'net1,eth+'] },
  'virtual-machines': { args: [...INJECTED, '-k', 'tap0,tap1'] },
  'virtual-machines-ranges': { args: ['-i', '10.0.0.0/8,10.96.0.0/12', '-b', '*', '-k', 'tap0'] },
  'dns-servers': { args: INJECTED, env: { ISTIO_META_DNS_CAPTURE: 'true' } },
  'dns-all': { args: [...INJECTED, '--redirect-dns', '--capture-all-dns'] },
  'drop-invalid': { args: INJECTED, env: { INVALID_DROP: 'true' } },
  'other-ports-and-loopback': {
    args: ['-p', '16001', '-z', '16006', '-e', '16008', '-u', '5', '-i', '*', '-b', '*'],
    env: { ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '127.0.0.0/8' },
  },
  tproxy: { args: ['-m', 'TPROXY', '-i', '9.9.0.0/16', '-b', '*', '-d', '15020', '-c', 'net1', '-u', '1337', '-g', '1337'] },
  'tproxy-ports': { args: ['-m', 'TPROXY', '-i', '*', '-b', '80,443', '-t', '1400', '-r', '140'] },
}

for (const [name, { args, env = {} }] of Object.entries(CASES)) {
  test(`rules: ${name}`, () => {
    const request = readCaptureRequest([...args, '--dry-run'], { env, resolvConf: RESOLV_CONF, groupFile: GROUP_FILE })
    assert.ok(request.ok && request.value !== 'help', JSON.stringify(request))
    const variables = Object.entries(env).map(([key, value]) => `${key}=${value} `)
    const quoted = args.map((arg) => (/^[\w.,:/+-]+$/.test(arg) ? arg : `'${arg}'`))
    const text = `# ${variables.join('')}lateen iptables ${[...quoted, '--dry-run'].join(' ')}\n${dryRunText(request.value.capture)}`
    const file = path.join(FOLDER, `${name}.rules`)
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, text)
    assert.equal(text, readFileSync(file, 'utf8'))
  })
}

test('every golden belongs to a case', () => {
  const files = readdirSync(FOLDER).map((file) => file.replace(/\.rules$/, ''))
  assert.deepEqual(files.sort(), Object.keys(CASES).sort())
})
