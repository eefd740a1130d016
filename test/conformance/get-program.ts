// node get-program.ts PROXY_PORT URL: asks the proxy for the URL over HTTP/1.1 and waits for whatever becomes of it. h2specd starts it
// once per case; it judges what the proxy does on its own connection, so the answer is of no interest here.
import http from 'node:http'

const [port = '', url = ''] = process.argv.slice(2)
const request = http.get({ host: '127.0.0.1', port: Number(port), headers: { host: new URL(url).host } }, (response) => response.resume())
request.on('error', () => undefined)
