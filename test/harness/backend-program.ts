// A backend that costs as little as possible: raw sockets, a prepared response, keep-alive, Content-Length requests, pipelining.
// Usage: node backend-program.ts PORT BODY_BYTES [HOST]
import net from 'node:net'

const [port = '0', bodyBytes = '1024', host = '127.0.0.1'] = process.argv.slice(2)
const response = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${bodyBytes}\r\n\r\n${'x'.repeat(Number(bodyBytes))}`,
)

const server = net.createServer({ noDelay: true }, (socket) => {
  let pending = ''
  /** Octets of a request's body that are still to come. */
  let body = 0
  socket.setEncoding('latin1')
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: string) => {
    pending += chunk
    for (;;) {
      const skipped = Math.min(body, pending.length)
      pending = pending.slice(skipped)
      body -= skipped
      if (skipped > 0 && body === 0) socket.write(response)
      const headEnd = body > 0 ? -1 : pending.indexOf('\r\n\r\n')
      if (headEnd < 0) return
      body = Number(/\r\ncontent-length: *(\d+)/i.exec(pending.slice(0, headEnd))?.[1] ?? 0)
      pending = pending.slice(headEnd + 4)
      if (body === 0) socket.write(response)
    }
  })
})
server.listen(Number(port), host, () => {
  const address = server.address()
  process.stdout.write(`${typeof address === 'object' && address !== null ? address.port : port}\n`)
})
process.on('SIGTERM', () => process.exit(0))
