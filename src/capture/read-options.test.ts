import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Problem } from '../base/result.ts'
import { type CaptureRequest, readCaptureRequest } from './read-options.ts'

const NOTHING = { env: {}, resolvConf: '', groupFile: '' }

function read(args: readonly string[], surroundings: Partial<Parameters<typeof readCaptureRequest>[1]> = {}): CaptureRequest {
  const result = readCaptureRequest(args, { ...NOTHING, ...surroundings })
  assert.ok(result.ok && result.value !== 'help', JSON.stringify(result))
  return result.value
}

function problems(args: readonly string[], env: Readonly<Record<string, string>> = {}): readonly Problem[] {
  const result = readCaptureRequest(args, { ...NOTHING, env })
  assert.ok(!result.ok, 'it was taken')
  return result.problems
}

test('flags win over the environment, and an empty value is none', () => {
  const env = { ISTIO_SERVICE_CIDR: '10.0.0.0/8', ENVOY_PORT: '16001', ISTIO_INBOUND_PORTS: '' }
  const { capture } = read(['-p', '15001', '-x', ''], { env })
  assert.equal(capture.outboundPort, 15001)
  assert.deepEqual(capture.outboundRanges, [{ family: 4, text: '10.0.0.0/8', isLoopback: false }])
  assert.deepEqual(capture.inboundPorts, [])
})

test('short and long forms, a value after =, and switches set to false', () => {
  const { capture, action } = read(['-p16001', '--inbound-capture-port=16006', '-b', '*', '--redirect-dns=false', '-n'])
  assert.deepEqual(
    [capture.outboundPort, capture.inboundPort, capture.inboundPorts, capture.dns.kind, action],
    [16001, 16006, '*', 'off', 'dry-run'],
  )
})

test("the proxy's groups are its users unless given", () => {
  assert.deepEqual(read(['-u', '5,6']).capture.proxyGids, [5, 6])
  assert.deepEqual(read(['-u', '5', '-g', '7']).capture.proxyGids, [7])
})

test('ranges lose their host bits, are written the short way and named once', () => {
  const { capture } = read(['-i', '10.1.2.3/8,10.0.0.0/8,FD00:0::1/8,1.2.3.4,::1'])
  assert.ok(capture.outboundRanges !== '*')
  assert.deepEqual(
    capture.outboundRanges.map(({ text, isLoopback }) => [text, isLoopback]),
    [
      ['10.0.0.0/8', false],
      ['fd00::/8', false],
      ['1.2.3.4/32', false],
      ['::1/128', true],
    ],
  )
})

test('every mistake is named at once, with its option', () => {
  const found = problems([
    '-b',
    '80,http,0',
    '-i',
    '10.0.0.0/33,*',
    '-m',
    'NONE',
    '-k',
    'a/b',
    '-x',
    'fe80::1%eth0',
    '--probe-timeout',
    'soon',
    '--verify',
  ])
  assert.deepEqual(found.map(({ path, message }) => `${path}: ${message.split("'")[1]}`).sort(), [
    'istio-inbound-interception-mode: NONE',
    'istio-inbound-ports: 0',
    'istio-inbound-ports: http',
    'istio-service-cidr: *',
    'istio-service-cidr: 10.0.0.0/33',
    'istio-service-exclude-cidr: fe80::1%eth0',
    'kube-virt-interfaces: a/b',
    'probe-timeout: 5s',
  ])
})

test('a name that is no option is answered with the nearest one', () => {
  assert.match(problems(['--envoy-prt', '1'])[0]?.message ?? '', /did you mean '--envoy-port'/)
  assert.match(problems(['-b', '80', 'README.md'])[0]?.message ?? '', /unexpected argument 'README.md'; quote the star/)
  assert.match(problems(['-b'])[0]?.message ?? '', /needs a value/)
})

test('TPROXY is printed and not applied', () => {
  assert.match(problems(['-m', 'TPROXY'])[0]?.message ?? '', /does not serve TPROXY: use REDIRECT/)
  assert.equal(read(['-m', 'TPROXY', '-n']).capture.mode, 'TPROXY')
})

test('options of istio-iptables that are not in force are taken with a warning, except the one that says where', () => {
  const { warnings } = read(['-b', '*', '-i', '*', '--cni-mode', '--log_output_level', 'default:info'])
  assert.deepEqual(
    warnings.map((warning) => warning.split(':')[0]),
    ['cni-mode is not in force', 'log_output_level is not in force'],
  )
  assert.match(problems(['--network-namespace', '/run/netns/x'])[0]?.message ?? '', /run this program in the namespace/)
})

test('DNS servers are those of resolv.conf; without one that a rule can name the capture is off and says so', () => {
  const resolvConf = 'nameserver 10.96.0.10\n#nameserver 1.1.1.1\nnameserver fe80::1%eth0\n'
  const { dns } = read(['--redirect-dns'], { resolvConf }).capture
  assert.deepEqual(dns, { kind: 'servers', servers: [{ family: 4, text: '10.96.0.10/32', isLoopback: false }] })
  const without = read(['--redirect-dns'])
  assert.equal(without.capture.dns.kind, 'off')
  assert.match(without.warnings[0] ?? '', /redirect-dns is off: \/etc\/resolv\.conf names no server/)
  assert.equal(read(['--redirect-dns', '--capture-all-dns']).capture.dns.kind, 'all')
})

test('groups are numbers or names of /etc/group, included or excluded and not both', () => {
  const env = { ISTIO_OUTBOUND_OWNER_GROUPS: 'java,202' }
  assert.deepEqual(read([], { env, groupFile: 'java:x:3000:\n' }).capture.ownerGroups, { kind: 'only', gids: [3000, 202] })
  assert.match(problems([], env)[0]?.message ?? '', /group 'java' is neither a number nor in/)
  assert.match(
    problems([], { ISTIO_OUTBOUND_OWNER_GROUPS: '1', ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: '2' })[0]?.message ?? '',
    /one of the two/,
  )
})

test('capturing nothing is said', () => {
  assert.match(read([]).warnings[0] ?? '', /nothing is captured/)
  assert.deepEqual(read(['-b', '80']).warnings, [])
  assert.deepEqual(read(['--cleanup']).warnings, [])
})
