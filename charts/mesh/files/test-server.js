// The called one of `helm test`: answers with the headers that reached it, which its sidecar has written from the caller's certificate.
import http from 'node:http'

const server = http.createServer((request, response) => response.end(JSON.stringify(request.headers)))
server.listen(8080, '0.0.0.0', () => process.stdout.write('listens on 8080\n'))
process.on('SIGTERM', () => server.close(() => process.exit(0)))
