// A backend that answers every request with a large body, as fast as it is taken: node stream-program.ts MIB. Prints its port.
import net, { type AddressInfo } from 'node:net'

const BLOCK = Buffer.alloc(256 * 1024, 'b')
const length = Number(process.argv[2]) * 2 ** 20

const server = net.createServer({ noDelay: true }, (socket) => {
  let left = 0
  const pump = (): void => {
    while (left > 0) {
      const piece = left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left)
      left -= piece.length
      if (!socket.write(piece)) return
    }
  }
  socket.on('error', () => socket.destroy())
  socket.on('drain', pump)
  // One request per connection at a time, and its head in one read: this is no server for anybody else.
  socket.on('data', () => {
    left = length
    socket.write(`HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: ${length}\r\n\r\n`)
    pump()
  })
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
