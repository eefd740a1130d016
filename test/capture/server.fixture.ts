// An application: listens on the ports on its command line and tells everyone who connects from which address and port they came.
// Ends with its standard input.
import { once } from 'node:events'
import { createServer } from 'node:net'

for (const port of process.argv.slice(2).map(Number)) {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.end(`${socket.remoteAddress?.replace(/^::ffff:/, '')} ${socket.remotePort}`)
  })
  server.listen(port, '::')
  await once(server, 'listening')
}
process.stdout.write('ready\n')
process.stdin.on('end', () => process.exit(0)).resume()
