// The applications of a gRPC mesh in a test, started as LocalWorkloads. ROLE=server answers on PORT; ROLE=client calls it through its own
// sidecar, every kind of call once, and prints one line of JSON: `RESULT {...}`. Both live until they are told to end.
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'

const { ROLE = 'server', PORT = '0', ECHO_SERVICE_HOST = '', ECHO_SERVICE_PORT = '' } = process.env
const bytes = (message: Buffer): Buffer => message
const method = (path: string, stream: boolean) => ({
  ...{ path, requestStream: stream, responseStream: stream },
  ...{ requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes },
})
const UNARY = method('/test.Echo/Unary', false)
const BIDI = method('/test.Echo/Bidi', true)

interface Result {
  readonly unary: string
  /** What the application was told of its caller. */
  readonly caller: string
  readonly failed: number
  readonly streamed: readonly string[]
}

function serve(): void {
  const server = new Server()
  server.addService(
    { unary: UNARY, bidi: BIDI },
    {
      unary: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
        if (call.request.toString() === 'fail') return answer({ code: status.FAILED_PRECONDITION, details: 'as asked' })
        const trailers = new Metadata()
        trailers.set('caller', String(call.metadata.get('x-forwarded-client-cert')[0] ?? ''))
        answer(null, call.request, trailers)
      },
      bidi: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (message: Buffer) => call.write(message))
        call.on('end', () => call.end())
      },
    },
  )
  server.bindAsync(`127.0.0.1:${PORT}`, ServerCredentials.createInsecure(), (error) => {
    if (error) throw error
  })
  process.once('SIGTERM', () => server.forceShutdown())
}

async function call(): Promise<void> {
  const client = new Client(`${ECHO_SERVICE_HOST}:${ECHO_SERVICE_PORT}`, credentials.createInsecure(), { 'grpc.enable_retries': 0 })
  const alive = setInterval(() => undefined, 60_000)
  process.once('SIGTERM', () => {
    clearInterval(alive)
    client.close()
  })
  // The mesh is coming up: until then its proxies answer UNAVAILABLE.
  let first = await unary(client, 'hello')
  while (first.code !== status.OK) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    first = await unary(client, 'hello')
  }
  const failed = await unary(client, 'fail')
  const result: Result = { unary: first.text, caller: first.caller, failed: failed.code, streamed: await stream(client, ['a', 'b', 'c']) }
  process.stdout.write(`RESULT ${JSON.stringify(result)}\n`)
}

function unary(client: Client, text: string): Promise<{ readonly code: number; readonly text: string; readonly caller: string }> {
  return new Promise((resolve) => {
    let answered = ''
    const call = client.makeUnaryRequest(UNARY.path, bytes, bytes, Buffer.from(text), (_error, value) => {
      answered = value?.toString() ?? ''
    })
    call.on('status', ({ code, metadata }) => resolve({ code, text: answered, caller: String(metadata.get('caller')[0] ?? '') }))
  })
}

/** Each message goes out when the one before has come back. */
function stream(client: Client, texts: readonly string[]): Promise<readonly string[]> {
  return new Promise((resolve) => {
    const rest = [...texts]
    const came: string[] = []
    const call = client.makeBidiStreamRequest(BIDI.path, bytes, bytes)
    const next = (): void => {
      const text = rest.shift()
      if (text === undefined) call.end()
      else call.write(Buffer.from(text))
    }
    call.on('data', (message: Buffer) => {
      came.push(message.toString())
      next()
    })
    call.on('error', () => undefined)
    call.on('status', ({ code }) => resolve([...came, `code ${code}`]))
    next()
  })
}

if (ROLE === 'server') serve()
else await call()
