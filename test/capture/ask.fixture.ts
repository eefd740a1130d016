// Asks each URL on its command line, one after the other, and prints what each answered, as JSON. `tcp://` waits for what the server says
// first, and only then says 'hello'.
import { get } from 'node:http'
import { connect } from 'node:net'

const TIMEOUT_MS = 3000

const answers: string[] = []
for (const url of process.argv.slice(2)) answers.push(await (url.startsWith('tcp:') ? talk(new URL(url)) : fetchText(url)))
process.stdout.write(JSON.stringify(answers), () => process.exit(0))

function fetchText(url: string): Promise<string> {
  return new Promise((resolve) => {
    const call = get(url, { timeout: TIMEOUT_MS, agent: false }, async (response) => {
      let body = ''
      for await (const chunk of response) body += String(chunk)
      resolve(`${response.statusCode} ${body}`)
    })
    call.on('timeout', () => call.destroy(new Error('timeout')))
    call.on('error', (error) => resolve(`failed: ${error.message}`))
  })
}

function talk({ hostname, port }: URL): Promise<string> {
  return new Promise((resolve) => {
    let heard = ''
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), timeout: TIMEOUT_MS })
    socket.on('data', (data) => {
      if (heard === '') socket.write('hello')
      heard += data
    })
    socket.on('timeout', () => socket.destroy(new Error('timeout')))
    socket.on('error', (error) => resolve(`failed: ${error.message}`))
    socket.on('close', () => resolve(heard === '' ? 'closed' : heard))
  })
}
