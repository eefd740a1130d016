// Free ports for processes that cannot report the one they chose (Envoy, HAProxy, nginx).

import { once } from 'node:events'
import net from 'node:net'

/** Below the ports that Linux gives to outgoing connections (32768-60999): one of those would be taken by the next client. */
const [FIRST, LAST] = [16_000, 32_000]
/** Processes that ask at the same time begin at different places. */
let next = FIRST + ((process.pid * 97) % (LAST - FIRST))

/** `count` different ports of 127.0.0.1, free at the time of asking, none of which this process was given before. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  for (let tries = 0; ports.length < count; tries++) {
    if (tries > LAST - FIRST) throw new Error(`no ${count} free ports between ${FIRST} and ${LAST}`)
    const port = next
    next = port + 1 < LAST ? port + 1 : FIRST
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

async function isFree(port: number): Promise<boolean> {
  const server = net.createServer()
  server.listen({ host: '127.0.0.1', port, exclusive: true })
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  await new Promise((resolve) => server.close(resolve))
  return true
}

/** Whether something accepts connections there now. */
export function connects(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
