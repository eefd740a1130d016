// Either end of a connection that begins before the rules are set. `serve`: greets, and sends another word for every line of its standard
// input; `connect HOST`: prints each word that it hears, or why the connection ended.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'

const PORT = 7000
const PROXY_USER = 1337

const [side, host = ''] = process.argv.slice(2)
process.stdin.on('end', () => process.exit(0))
if (side === 'serve') {
  const lines = createInterface(process.stdin)
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.write('early\n')
    lines.on('line', (line) => socket.write(`${line}\n`))
  })
  server.listen(PORT, '::')
  await once(server, 'listening')
  process.stdout.write('ready\n')
} else {
  process.setgroups?.([])
  process.setgid?.(PROXY_USER)
  process.setuid?.(PROXY_USER)
  process.stdin.resume()
  const socket = connect(PORT, host)
  socket.on('data', (word) => process.stdout.write(word))
  socket.on('error', (error) => process.stdout.write(`${error.message}\n`))
}
