// A wire between the proxy and a backend that remembers every octet on its way to the backend: what the proxy has said, whatever the
// backend makes of it.
import { once } from 'node:events'
import net from 'node:net'

export interface Tap {
  readonly port: number
  /** What was said on each connection so far. */
  readonly said: () => readonly string[]
  stop(): Promise<void>
}

export async function startTap(backendPort: number): Promise<Tap> {
  const said: string[] = []
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ noDelay: true }, (socket) => {
    const index = said.push('') - 1
    const backend = net.connect({ port: backendPort, host: '127.0.0.1', noDelay: true })
    for (const each of [socket, backend]) {
      sockets.add(each)
      each.on('close', () => {
        sockets.delete(each)
        socket.destroy()
        backend.destroy()
      })
      each.on('error', () => each.destroy())
    }
    socket.on('data', (chunk: Buffer) => {
      said[index] += chunk.toString('latin1')
      backend.write(chunk)
    })
    backend.on('data', (chunk: Buffer) => socket.write(chunk))
    backend.on('end', () => socket.end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    said: () => said,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
