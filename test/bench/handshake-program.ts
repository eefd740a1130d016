// A client that opens mutual TLS connections one after another, each with a full handshake, as a program of its own:
// node handshake-program.ts PORT SECONDS AT_A_TIME FILES_AS_JSON [GROUPS]. One request per connection, answered with 200, or the program ends.
// GROUPS: the key exchanges that it offers; else what Node offers by itself. Prints how many, as JSON.
import { readFileSync } from 'node:fs'
import tls from 'node:tls'
import { BENCH_HOST } from './bootstraps.ts'

const [port = '0', seconds = '0', atATime = '1', files = '{}', groups] = process.argv.slice(2)
// Written by handshakes.ts.
const { chain, key, roots } = JSON.parse(files) as { readonly chain: string; readonly key: string; readonly roots: string }
const secureContext = tls.createSecureContext({
  cert: readFileSync(chain),
  key: readFileSync(key),
  ca: readFileSync(roots),
  minVersion: 'TLSv1.3',
  ...(groups === undefined ? {} : { ecdhCurve: groups }),
})
const REQUEST = `GET / HTTP/1.1\r\nhost: ${BENCH_HOST}\r\nconnection: close\r\n\r\n`

let done = 0
let over = false
let open = Number(atATime)

function connect(): void {
  let answer = ''
  // No session is ever given: each handshake is a full one.
  const socket = tls.connect({ port: Number(port), host: '127.0.0.1', secureContext, checkServerIdentity: () => undefined })
  socket.on('secureConnect', () => {
    if (socket.isSessionReused()) fail('a handshake was not a full one')
    socket.write(REQUEST)
  })
  socket.on('data', (chunk: Buffer) => {
    if (answer.length < 15) answer += chunk.toString('latin1', 0, 15)
  })
  socket.on('error', (error) => fail(error.message))
  socket.on('end', () => socket.end())
  socket.on('close', () => {
    if (!answer.startsWith('HTTP/1.1 200')) fail(`answered '${answer}'`)
    done++
    if (!over) connect()
    else if (--open === 0) process.stdout.write(`${JSON.stringify({ connections: done })}\n`, () => process.exit(0))
  })
}

function fail(reason: string): void {
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}

for (let at = 0; at < open; at++) connect()
setTimeout(() => {
  over = true
}, Number(seconds) * 1000)
