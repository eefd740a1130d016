// gRPC peers of a proxy under test: grpc-js as client and server, with messages that are plain octets (no .proto needed).

import type { TestContext } from 'node:test'
import {
  Client,
  credentials,
  type handleBidiStreamingCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'

const identity = (bytes: Buffer): Buffer => bytes

const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  path,
  requestStream,
  responseStream,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
})

export const ECHO = {
  unary: method('/test.Echo/Unary', false, false),
  clientStream: method('/test.Echo/ClientStream', true, false),
  serverStream: method('/test.Echo/ServerStream', false, true),
  bidi: method('/test.Echo/Bidi', true, true),
}

/** Unary echoes and fails when asked 'fail N message'; 'hang' never answers. Server stream repeats ten times. */
export async function startGrpcServer(t: TestContext): Promise<{ readonly port: number; readonly server: Server }> {
  const server = new Server()
  const bidi: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    call.on('data', (message: Buffer) => call.write(message))
    call.on('end', () => {
      call.end(trailing('count', '7'))
    })
  }
  server.addService(ECHO, {
    unary: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
      const text = call.request.toString()
      const [, code, message] = /^fail (\d+) (.*)$/s.exec(text) ?? []
      if (text === 'hang') return
      if (code !== undefined) answer({ code: Number(code), details: message ?? '', metadata: trailing('why', 'asked') })
      else answer(null, call.request, trailing('echoed', String(call.metadata.get('ask')[0] ?? '')))
    },
    clientStream: (call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
      const pieces: Buffer[] = []
      call.on('data', (piece: Buffer) => pieces.push(piece))
      call.on('end', () => answer(null, Buffer.concat(pieces)))
    },
    serverStream: (call: ServerWritableStream<Buffer, Buffer>) => {
      for (let n = 0; n < 10; n++) call.write(Buffer.concat([call.request, Buffer.from(String(n))]))
      call.end(trailing('count', '10'))
    },
    bidi,
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  t.after(() => server.forceShutdown())
  return { port, server }
}

export function grpcClient(t: TestContext, port: number): Client {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.enable_retries': 0 })
  t.after(() => client.close())
  return client
}

export interface CallResult {
  readonly code: number
  readonly details: string
  readonly messages: readonly string[]
  readonly trailers: Readonly<Record<string, unknown>>
}

export function unary(
  client: Client,
  text: string,
  options: { readonly deadlineMs?: number; readonly ask?: string } = {},
): Promise<CallResult> {
  const metadata = new Metadata()
  if (options.ask !== undefined) metadata.set('ask', options.ask)
  const deadline = options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs }
  return new Promise((resolve) => {
    const messages: string[] = []
    const call = client.makeUnaryRequest(ECHO.unary.path, identity, identity, Buffer.from(text), metadata, deadline, (_error, value) => {
      if (value !== undefined) messages.push(value.toString())
    })
    call.on('status', ({ code, details, metadata: trailers }) => resolve({ code, details, messages, trailers: trailers.getMap() }))
  })
}

export function streaming(client: Client, kind: 'clientStream' | 'serverStream' | 'bidi', texts: readonly string[]): Promise<CallResult> {
  return new Promise((resolve) => {
    const messages: string[] = []
    const note = (message: Buffer | undefined): void => {
      if (message !== undefined) messages.push(message.toString())
    }
    const done = ({ code, details, metadata }: { code: number; details: string; metadata: Metadata }): void =>
      resolve({ code, details, messages, trailers: metadata.getMap() })
    if (kind === 'serverStream') {
      const call = client.makeServerStreamRequest(ECHO.serverStream.path, identity, identity, Buffer.from(texts[0] ?? ''))
      call
        .on('data', note)
        .on('error', () => undefined)
        .on('status', done)
      return
    }
    if (kind === 'clientStream') {
      const call = client.makeClientStreamRequest(ECHO.clientStream.path, identity, identity, (_error, value) => note(value))
      for (const text of texts) call.write(Buffer.from(text))
      call.on('status', done)
      call.end()
      return
    }
    const call = client.makeBidiStreamRequest(ECHO.bidi.path, identity, identity)
    call.on('error', () => undefined).on('status', done)
    // One after the other: each message goes out only when the one before has come back.
    const rest = [...texts]
    const next = (): void => {
      const text = rest.shift()
      if (text === undefined) call.end()
      else call.write(Buffer.from(text))
    }
    call.on('data', (message: Buffer) => {
      note(message)
      next()
    })
    next()
  })
}

export { status }

function trailing(name: string, value: string): Metadata {
  const metadata = new Metadata()
  metadata.set(name, value)
  return metadata
}
