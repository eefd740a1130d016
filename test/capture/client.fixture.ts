// Connects to each `host port` on its command line, one after the other, as the user that CLIENT_UID names, and prints one line of JSON:
// for each the address that the server saw, and whether it saw the client's own port. `udp:` in front of a host sends a datagram instead.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'

export type Heard =
  | { readonly from: string; readonly way: 'direct' | 'through the proxy' }
  | { readonly failed: string }
  | { readonly answer: string }

const TIMEOUT_MS = 3000

const uid = Number(process.env.CLIENT_UID)
process.setgroups?.([])
process.setgid?.(uid)
process.setuid?.(uid)

const results: Heard[] = []
for (const target of process.argv.slice(2)) {
  const [host = '', port = ''] = target.split(' ')
  results.push(host.startsWith('udp:') ? await ask(host.slice(4), Number(port)) : await visit(host, Number(port)))
}
process.stdout.write(JSON.stringify(results))
process.exit(0)

function visit(host: string, port: number): Promise<Heard> {
  return new Promise((resolve) => {
    let heard = ''
    const socket = connect({ host, port, timeout: TIMEOUT_MS })
    let own = 0
    socket.on('connect', () => {
      own = socket.localPort ?? 0
    })
    socket.on('data', (data) => {
      heard += data
    })
    socket.on('timeout', () => socket.destroy(new Error('timeout')))
    socket.on('error', (error) => resolve({ failed: error.message }))
    socket.on('close', () => {
      const [from = '', seen] = heard.split(' ')
      resolve(from === '' ? { failed: 'closed' } : { from, way: Number(seen) === own ? 'direct' : 'through the proxy' })
    })
  })
}

/** The answer counts only when it comes from the address that was asked. */
async function ask(host: string, port: number): Promise<Heard> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  socket.connect(port, host)
  await once(socket, 'connect')
  socket.send('query')
  try {
    const [message] = await once(socket, 'message', { signal: AbortSignal.timeout(TIMEOUT_MS) })
    return { answer: String(message) }
  } catch (error) {
    return { failed: String(error) }
  } finally {
    socket.close()
  }
}
