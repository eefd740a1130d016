import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseProxyOptions, proxyHelp } from './proxy-options.ts'

function parse(argv: string, env: Record<string, string> = {}) {
  const result = parseProxyOptions(argv === '' ? [] : argv.split(' '), env)
  if (!result.ok) return result.problems.map(({ path, message }) => `${path} ${message}`).join('; ')
  return result.value
}

test('a bootstrap alone gives the defaults', () => {
  assert.deepEqual(parse('-c envoy.yaml'), {
    configPath: 'envoy.yaml',
    bootstrap: undefined,
    mode: 'serve',
    allowUnsupported: false,
    concurrency: 1,
    logLevel: 'info',
    logFormat: 'text',
    maxMemoryBytes: undefined,
    drainMs: 5000,
    exitOnZeroConnections: false,
    agent: undefined,
    ca: undefined,
  })
})

test('the mesh options are read together, the command line wins over the environment', () => {
  const options = parse('-c b.json --ca-address 127.0.0.1:15012 --state /s --drain-time 250ms', {
    LATEEN_CA_ROOT: '/root.pem',
    LATEEN_STATE: '/other',
    LATEEN_ALLOW_UNSUPPORTED: 'true',
    LATEEN_CA_TOKEN_FILE: '/var/run/secrets/lateen/token/token',
  })
  assert.ok(typeof options === 'object')
  assert.equal(options.drainMs, 250)
  assert.equal(options.allowUnsupported, true)
  assert.deepEqual(options.ca, {
    host: '127.0.0.1',
    port: 15012,
    rootPath: '/root.pem',
    name: undefined,
    joinTokenPath: undefined,
    tokenPath: '/var/run/secrets/lateen/token/token',
    trustDomain: 'cluster.local',
    stateFolder: '/s',
  })
})

test('what is wrong is named, with the nearest option', () => {
  assert.match(String(parse('')), /--config-path is missing/)
  assert.match(String(parse('--concurency 2')), /did you mean '--concurrency'/)
  assert.match(String(parse('-c a --concurrency x')), /whole number/)
  assert.match(String(parse('-c a --mode run')), /'run' is none of serve, validate/)
  assert.match(String(parse('-c a --ca-address here')), /HOST:PORT.*--ca-root is missing/)
  assert.match(String(parse('-c a --max-memory much')), /'256Mi'/)
  assert.match(String(parse('envoy.yaml')), /unexpected argument 'envoy.yaml'/)
  assert.match(String(parse('-c')), /needs a value/)
})

test('in a pod everything comes from the environment', () => {
  const env = { LATEEN_BOOTSTRAP: '{"node": {}}', LATEEN_AGENT: '{"statusPort": 15020}', LATEEN_CONCURRENCY: '0' }
  const options = parse('', env)
  assert.ok(typeof options === 'object')
  assert.equal(options.bootstrap, '{"node": {}}')
  assert.equal(options.configPath, 'LATEEN_BOOTSTRAP')
  assert.equal(options.agent?.statusPort, 15020)
  assert.equal(options.concurrency, 0)
  const given = parse('-c a.json', env)
  assert.equal(typeof given === 'object' && given.bootstrap, undefined, 'a file that is asked for wins')
  assert.match(String(parse('-c a', { LATEEN_AGENT: '{"statusPort": -1}' })), /--agent statusPort: must be a port/)
})

test("Envoy's words for log levels and seconds are understood", () => {
  const options = parse('-c a -l warning --drain-time 10')
  assert.ok(typeof options === 'object')
  assert.deepEqual([options.logLevel, options.drainMs], ['warn', 10_000])
})

test('the help names every option and its variable', () => {
  assert.match(proxyHelp(), /--join-token-file FILE .*\[LATEEN_JOIN_TOKEN_FILE\]/)
  assert.equal(parse('--help'), 'help')
})
