// Both ends of TCP traffic, as a program of its own: node tcp-program.ts server, or ... client PORT SECONDS CONNECTIONS BYTES.
// A client sends how much it wants as eight octets and reads until the end; connections that end are opened again until the time is over.
// Prints connections and octets as JSON. An answer of another length ends the program: octets that are lost must not look fast.
import net, { type AddressInfo } from 'node:net'

const BLOCK = Buffer.alloc(256 * 1024, 'b')

function serve(): void {
  const server = net.createServer({ noDelay: true }, (socket) => {
    let left = 0
    const pump = (): void => {
      while (left > 0) {
        const piece = left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left)
        left -= piece.length
        if (!socket.write(piece)) return
      }
      socket.end()
    }
    socket.on('error', () => socket.destroy())
    socket.once('data', (wanted: Buffer) => {
      left = Number(wanted.readBigUInt64BE(0))
      socket.on('drain', pump)
      pump()
    })
  })
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
}

function call(port: number, seconds: number, connections: number, bytes: number): void {
  const wanted = Buffer.alloc(8)
  wanted.writeBigUInt64BE(BigInt(bytes))
  let over = false
  let ended = 0
  let open = connections
  const connect = (): void => {
    const buffer = Buffer.allocUnsafeSlow(bytes > BLOCK.length ? BLOCK.length : 4096)
    let got = 0
    const onread = {
      buffer,
      callback: (length: number): boolean => {
        got += length
        return true
      },
    }
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true, onread }, () => socket.write(wanted))
    socket.on('error', (error) => fail(error.message))
    socket.on('close', () => {
      if (got !== bytes) fail(`${got} octets of ${bytes}`)
      ended++
      if (!over) return connect()
      if (--open === 0) process.stdout.write(`${JSON.stringify({ connections: ended, bytes: ended * bytes })}\n`)
    })
  }
  for (let at = 0; at < connections; at++) connect()
  setTimeout(() => {
    over = true
  }, seconds * 1000)
}

function fail(reason: string): void {
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}

const [role, ...numbers] = process.argv.slice(2)
const [port = 0, seconds = 0, connections = 0, bytes = 0] = numbers.map(Number)
if (role === 'server') serve()
else call(port, seconds, connections, bytes)
