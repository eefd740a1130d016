// The applications and proxies behind ours, each with its own reading of HTTP: what they read is what the corpus is about.
// Invariant: a reading is noted before its answer leaves, so that whoever has the answer finds the reading.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { takeMessage } from '../differential/upstream.ts'
import { endProcess } from '../harness/envoy.ts'
import { connects, freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'

export interface Reading {
  readonly method: string
  readonly target: string
  readonly host: string
  readonly body: string
}

export interface Backend {
  readonly name: string
  readonly port: number
  readonly readings: Reading[]
  stop(): Promise<void>
}

/** An application on Node's http. */
export async function startNode(): Promise<Backend> {
  const readings: Reading[] = []
  const server = http.createServer((request, response) => {
    let body = ''
    request.setEncoding('latin1')
    request.on('data', (chunk: string) => {
      body += chunk
    })
    request.on('end', () => {
      readings.push({ method: request.method ?? '', target: request.url ?? '', host: request.headers.host ?? '', body })
      response.end('ok')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const stop = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { name: 'Node', port: typeof address === 'object' && address !== null ? address.port : 0, readings, stop }
}

/** An application on Node's http2, without TLS. */
export async function startNodeHttp2(): Promise<Backend> {
  const readings: Reading[] = []
  const sessions = new Set<http2.Http2Session>()
  const server = http2.createServer()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', () => session.destroy())
  })
  server.on('stream', (stream, headers) => {
    let body = ''
    let whole = false
    stream.setEncoding('latin1')
    stream.on('data', (chunk: string) => {
      body += chunk
    })
    stream.on('error', () => undefined)
    stream.on('end', () => {
      // A stream that is reset ends too.
      if (whole || stream.rstCode !== 0 || stream.aborted) return
      whole = true
      const host = headers[':authority'] ?? ''
      readings.push({ method: headers[':method'] ?? '', target: headers[':path'] ?? '', host, body })
      stream.respond({ ':status': 200 })
      stream.end('ok')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const stop = async (): Promise<void> => {
    for (const session of sessions) session.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  return { name: 'Node over HTTP/2', port: typeof address === 'object' && address !== null ? address.port : 0, readings, stop }
}

/** Python's http.server; undefined where there is no Python. */
export async function startPython(): Promise<Backend> {
  const [port = 0] = await freePorts(1)
  const readings: Reading[] = []
  const child = spawn('python3', [path.join(import.meta.dirname, 'python_app.py'), String(port)], { stdio: ['ignore', 'pipe', 'ignore'] })
  let pending = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (chunk: string) => {
    const lines = (pending + chunk).split('\n')
    pending = lines.pop() ?? ''
    readings.push(...lines.map((line) => JSON.parse(line) as Reading))
  })
  await waitFor(() => connects(port), { what: 'Python', while: () => child.exitCode === null })
  return { name: 'Python', port, readings, stop: () => endProcess(child) }
}

export async function startNginx(): Promise<Backend> {
  return startProxy('nginx', (folder, port, upstreamPort) => {
    writeFileSync(
      path.join(folder, 'conf'),
      `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error crit; events { worker_connections 256; }
http { access_log off; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${upstreamPort}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; } } }`,
    )
    return ['nginx', '-e', path.join(folder, 'error'), '-c', path.join(folder, 'conf')]
  })
}

export async function startHaproxy(): Promise<Backend> {
  return startProxy('HAProxy', (folder, port, upstreamPort) => {
    writeFileSync(
      path.join(folder, 'conf'),
      `defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend in
  bind 127.0.0.1:${port}
  default_backend out
backend out
  server app 127.0.0.1:${upstreamPort}
`,
    )
    return ['haproxy', '-db', '-f', path.join(folder, 'conf')]
  })
}

/** A proxy in front of an application that notes what the proxy made of what it read. */
async function startProxy(
  name: string,
  configure: (folder: string, port: number, upstreamPort: number) => readonly string[],
): Promise<Backend> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-smuggling-'))
  mkdirSync(path.join(folder, 'logs'))
  const [port = 0] = await freePorts(1)
  const recorder = await startRecorder()
  const [command = '', ...args] = configure(folder, port, recorder.port)
  const child = spawn(command, args, { stdio: 'ignore' })
  await waitFor(() => connects(port), { what: name, while: () => child.exitCode === null })
  const stop = async (): Promise<void> => {
    await endProcess(child)
    await recorder.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return { name, port, readings: recorder.readings, stop }
}

/** Reads as strictly as the corpus needs, and answers everything. */
async function startRecorder(): Promise<Backend> {
  const readings: Reading[] = []
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    let buffer = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      const { messages, rest } = readMessages(buffer + chunk)
      buffer = rest
      for (const message of messages) {
        readings.push(message)
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n${message.method === 'HEAD' ? '' : 'ok'}`)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  return { name: 'recorder', port: typeof address === 'object' && address !== null ? address.port : 0, readings, stop }
}

/** Whole requests of a stream, read by the letter of RFC 9112. */
export function readMessages(text: string): { readonly messages: readonly Reading[]; readonly rest: string } {
  const messages: Reading[] = []
  let rest = text
  for (let message = takeMessage(rest); message !== undefined; message = takeMessage(rest)) {
    rest = message.rest
    const [method = '', target = ''] = message.requestLine.split(' ')
    const host = message.headers.find(([name]) => name.toLowerCase() === 'host')?.[1] ?? ''
    messages.push({ method, target, host, body: message.body.split('<trailers>')[0] ?? '' })
  }
  return { messages, rest }
}

/** A backend may refuse what our proxy said; it may not read anything else, nor more. */
export function assertOnlyThese(read: readonly Reading[], said: readonly Reading[], name: string): void {
  const left = [...said]
  for (const each of read) {
    const index = left.findIndex(
      (one) => one.method === each.method && one.target === each.target && one.host === each.host && one.body === each.body,
    )
    assert.notEqual(index, -1, `${name} read ${JSON.stringify(each)}, and our proxy said ${JSON.stringify(said)}`)
    left.splice(index, 1)
  }
}
