// An application in a pod: an HTTP server on 8080 that tells what it sees of the caller, and on 5432 one that speaks first and then says
// what it hears. Prints 'ready'; ends with its standard input.
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'

const http = createHttpServer((request, response) => {
  const peer = String(request.headers['x-forwarded-client-cert'] ?? '')
  const from = request.socket.remoteAddress?.replace(/^::ffff:/, '')
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ from, peer: /URI=([^;,"]*)/.exec(peer)?.[1] ?? '', path: request.url }))
})
const database = createServer((socket) => {
  socket.on('error', () => undefined)
  socket.write('welcome ')
  socket.on('data', (data) => socket.end(`you said ${data}`))
})
http.listen(8080, '::')
database.listen(5432, '::')
await Promise.all([once(http, 'listening'), once(database, 'listening')])
process.stdout.write('ready\n')
process.stdin.on('end', () => process.exit(0)).resume()
