// The port that the kubelet asks: alive from the first moment, ready when everything answers. Opened before all else by start.ts.
import type { Server } from 'node:http'
import type { Logger } from '../../../base/log.ts'
import { createJsonServer } from '../http-json.ts'

export interface Health {
  readonly server: Server
  /** What is waited for; '' when nothing is. */
  waitingFor: string
}

export function createHealth(log: Logger): Health {
  const health: Health = {
    waitingFor: 'the start',
    server: createJsonServer(
      {
        'GET /healthz': () => ({ status: 200, body: 'alive\n' }),
        'GET /ready': () =>
          health.waitingFor === '' ? { status: 200, body: 'ready\n' } : { status: 503, body: `waiting for ${health.waitingFor}\n` },
      },
      log,
    ),
  }
  return health
}
