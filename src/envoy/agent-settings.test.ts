import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AgentSettings, readAgentSettings } from './agent-settings.ts'

test('what the webhook writes is read as it was', () => {
  const settings: AgentSettings = {
    statusPort: 15020,
    healthPort: 15021,
    prometheusPort: 15090,
    probes: {
      '/app-health/web/livez': {
        httpGet: { port: 8080, path: '/live', scheme: 'HTTPS', host: 'web.local', httpHeaders: [{ name: 'X-A', value: '1' }] },
        timeoutSeconds: 2,
      },
      '/app-health/web/readyz': { tcpSocket: { port: 8080 } },
      '/app-health/web/startupz': { grpc: { port: 9000, service: 'ready' } },
      '/app-lifecycle/web/prestopz': { httpGet: { port: 8080 } },
    },
    scrape: { port: 8080, path: '/metrics', targets: [{ port: 9100, path: '/more' }] },
    podInfo: '/etc/lateen/pod',
    nativeSidecar: true,
  }
  assert.deepEqual(readAgentSettings(JSON.stringify(settings)), { ok: true, value: settings })
})

test('ports that are not given are the usual ones; 0 closes one', () => {
  const result = readAgentSettings('{"statusPort": 0}')
  assert.deepEqual(result, { ok: true, value: { statusPort: 0, healthPort: 15021, prometheusPort: 15090, probes: {} } })
})

test('every mistake is told with its path', () => {
  const result = readAgentSettings(
    JSON.stringify({
      statusPort: 'x',
      probs: {},
      probes: {
        '/live': { tcpSocket: { port: 1 } },
        '/app-health/a/livez': { tcpSocket: {}, httpGet: { port: 0, scheme: 'FTP' }, timeoutSeconds: 0 },
      },
      scrape: { targets: [{}] },
    }),
  )
  assert.deepEqual(result.ok ? [] : result.problems.map(({ path }) => path).sort(), [
    'probes[/app-health/a/livez]',
    'probes[/app-health/a/livez].httpGet.port',
    'probes[/app-health/a/livez].httpGet.scheme',
    'probes[/app-health/a/livez].tcpSocket.port',
    'probes[/app-health/a/livez].timeoutSeconds',
    'probes[/live]',
    'probs',
    'scrape.targets[0].port',
    'statusPort',
  ])
})

test('text that is no JSON is one problem', () => {
  assert.match(JSON.stringify(readAgentSettings('{')), /not valid JSON/)
})
