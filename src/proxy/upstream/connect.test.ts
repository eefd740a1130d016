import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { TestCa } from '../../../test/harness/certificates.ts'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/log.ts'
import { TimerWheel } from '../../base/timer-wheel.ts'
import { LocalSecretStore } from '../certs/local-secret-store.ts'
import { type ConnectTarget, createTicketBox, type Opened, openConnection } from './connect.ts'
import { TlsTransport } from './transport.ts'

const IPPROTO_TCP = 6
const OPTIONS = { afterSeconds: 4, intervalSeconds: 5, probes: 6 }

test('keep-alive of a cluster is what the kernel is told, on plaintext and on TLS', { skip: process.platform !== 'linux' }, async (t) => {
  const ca = new TestCa()
  const { chainPem, keyPem } = ca.issue({ dns: 'up.test' })
  const plain = await listen(t, net.createServer())
  const secure = await listen(t, tls.createServer({ cert: chainPem, key: keyPem }))
  const transport = new TlsTransport(
    { certificate: undefined, validation: { trust: undefined, subjectAltNames: [] }, sni: 'up.test', alpn: [], minVersion: 'TLSv1.2' },
    new LocalSecretStore(systemClock, silentLogger),
  )
  for (const [port, over] of [
    [plain, undefined],
    [secure, transport],
  ] as const) {
    const keepalive = { afterMs: 30_000, intervalMs: 7000, probes: 3 }
    const { socket } = await open(t, { ...target(port), transport: over, keepalive })
    assert.deepEqual(optionsOf(socket), { afterSeconds: 30, intervalSeconds: 7, probes: 3 })
  }
  const silent = await open(t, target(plain))
  assert.notEqual(optionsOf(silent.socket).afterSeconds, 30)
})

async function listen(t: TestContext, server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

function target(port: number): ConnectTarget {
  return {
    host: '127.0.0.1',
    port,
    connectTimeoutMs: 5000,
    bindAddress: undefined,
    transport: undefined,
    tickets: createTicketBox(),
  }
}

function open(t: TestContext, to: ConnectTarget): Promise<Opened> {
  return new Promise((resolve, reject) => {
    openConnection(
      to,
      { clock: systemClock, wheel: new TimerWheel(systemClock) },
      {
        opened: (opened) => {
          t.after(() => opened.socket.destroy())
          resolve(opened)
        },
        failed: (failure, reason) => reject(new Error(`${failure}: ${reason}`)),
      },
    )
  })
}

/** Node sets these, and cannot say them. */
function optionsOf(socket: net.Socket): typeof OPTIONS {
  const handle: unknown = Reflect.get(socket, '_handle')
  assert.ok(typeof handle === 'object' && handle !== null)
  const fd: unknown = Reflect.get(handle, 'fd')
  const koffi = createRequire(import.meta.url)('koffi') as { load(path: null): { func(signature: string): (...args: unknown[]) => number } }
  const getsockopt = koffi.load(null).func('int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)')
  const read = (option: number): number => {
    const value = Buffer.alloc(4)
    assert.equal(getsockopt(fd, IPPROTO_TCP, option, value, [4]), 0)
    return value.readInt32LE(0)
  }
  return {
    afterSeconds: read(OPTIONS.afterSeconds),
    intervalSeconds: read(OPTIONS.intervalSeconds),
    probes: read(OPTIONS.probes),
  }
}
