// node:http without what `import` from it costs: an import of a built-in module reads every export, and among those of node:http are
// getters (WebSocket, MessageEvent) that load undici, web streams and node:http2. Measured at the start of a proxy: 16 MB of resident
// memory and 80 ms of processor time against 3 MB and 8 ms. Types are imported from node:http as ever.
// Used by the proxy's admin port and agent, and by the commands; test/house/bundle.test.ts holds that nothing in the proxy's bundle imports node:http itself.
const http = process.getBuiltinModule('node:http')

export const createServer: typeof http.createServer = http.createServer
export const request: typeof http.request = http.request
