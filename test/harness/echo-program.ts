// The application of the meshes that tests run: raw sockets, keep-alive, Content-Length and chunked requests. Says in one header who
// answered and at which attempt of the sidecar, so that a load report alone shows where every request went and that none was sent twice.
//   /health 200; /wait/MS answers after MS; /facts JSON: pid and requests answered; anything else 200 'ok'.
// Environment as a LocalWorkload's application: HOST, PORT, WORKLOAD_NAME, SERVICE_VERSION.
import net from 'node:net'

const { HOST = '127.0.0.1', PORT = '0', WORKLOAD_NAME = 'echo', SERVICE_VERSION = '' } = process.env
let answered = 0
/** What ends a connection as soon as it owes no answer. */
const endIdle = new Set<() => void>()
let stopping = false

const server = net.createServer({ noDelay: true }, (socket) => {
  let pending = Buffer.alloc(0)
  let busy = false
  const next = (): void => {
    const request = busy ? undefined : takeRequest(pending)
    if (request === undefined) return
    pending = pending.subarray(request.length)
    busy = true
    const waitMs = Number(/^\/wait\/(\d+)/.exec(request.path)?.[1] ?? 0)
    const finish = (): void => {
      busy = false
      if (socket.writable) socket.write(answer(request))
      if (stopping) socket.end()
      next()
    }
    if (waitMs > 0) setTimeout(finish, waitMs)
    else finish()
  }
  const endIfIdle = (): void => {
    if (!busy) socket.end()
  }
  endIdle.add(endIfIdle)
  socket.on('close', () => {
    endIdle.delete(endIfIdle)
    leaveWhenDone()
  })
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    next()
  })
})

interface Request {
  readonly path: string
  readonly head: string
  readonly body: Buffer
  readonly length: number
}

/** The first whole request of the buffer, or undefined. */
function takeRequest(buffer: Buffer): Request | undefined {
  const headEnd = buffer.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const head = buffer.toString('latin1', 0, headEnd)
  const start = headEnd + 4
  const path = head.split(' ', 2)[1] ?? '/'
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
    const last = buffer.indexOf('0\r\n\r\n', start)
    return last < 0 ? undefined : { path, head, body: buffer.subarray(start, last), length: last + 5 }
  }
  const end = start + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
  return buffer.length < end ? undefined : { path, head, body: buffer.subarray(start, end), length: end }
}

function answer({ path, head }: Request): Buffer {
  if (path !== '/health' && path !== '/facts') answered++
  const attempt = /\r\nx-envoy-attempt-count: *(\d+)/i.exec(head)?.[1] ?? '-'
  const body = path === '/facts' ? JSON.stringify({ pid: process.pid, answered }) : path === '/head' ? head : 'ok'
  const fields = [`x-answered-by: ${WORKLOAD_NAME} ${SERVICE_VERSION} attempt ${attempt}`, `content-length: ${Buffer.byteLength(body)}`]
  return Buffer.from(`HTTP/1.1 200 OK\r\n${fields.join('\r\n')}\r\n\r\n${body}`)
}

function leaveWhenDone(): void {
  if (stopping && endIdle.size === 0) process.exit(0)
}

server.listen(Number(PORT), HOST)
process.on('SIGTERM', () => {
  stopping = true
  server.close()
  for (const end of endIdle) end()
  leaveWhenDone()
})
