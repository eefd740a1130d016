// The test service of gRPC's interoperability cases, served by grpc-js, and the messages it speaks. No .proto: a message is one line of
// JSON, then its payload. A payload is a pattern where the cases say zeros, so that lost or reordered octets are noticed: decoding fails.
import { EventEmitter } from 'node:events'
import type { TestContext } from 'node:test'
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js'

/** Requests and responses alike. Octets count payloads. */
export interface Message {
  readonly payloadOctets?: number
  /** One response for each. */
  readonly responseOctets?: readonly number[]
  readonly responseStatus?: { readonly code: number; readonly message: string }
  readonly aggregatedOctets?: number
}

export const INITIAL = 'x-grpc-test-echo-initial'
export const TRAILING = 'x-grpc-test-echo-trailing-bin'
/** In the metadata of a stream: the server does not end it when the client half-closes. */
export const UNENDING = 'x-test-unending'
const PATTERN = Buffer.from(Array.from({ length: 251 }, (_, n) => n))

export function encode(message: Message): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(message)}\n`), Buffer.alloc(message.payloadOctets ?? 0, PATTERN)])
}

export function decode(octets: Buffer): Message {
  const end = octets.indexOf('\n')
  const message: Message = JSON.parse(octets.toString('utf8', 0, end))
  const payload = octets.subarray(end + 1)
  if (!payload.equals(Buffer.alloc(message.payloadOctets ?? 0, PATTERN))) throw new Error('the payload is not what was sent')
  return message
}

const octetsAsTheyAre = (octets: Buffer): Buffer => octets

function method<T>(name: string, stream: { requests?: true; responses?: true }, write: (message: T) => Buffer, read: (o: Buffer) => T) {
  return {
    path: `/grpc.testing.TestService/${name}`,
    requestStream: stream.requests === true,
    responseStream: stream.responses === true,
    ...{ requestSerialize: write, requestDeserialize: read, responseSerialize: write, responseDeserialize: read },
  }
}

export const METHODS = {
  emptyCall: method('EmptyCall', {}, octetsAsTheyAre, octetsAsTheyAre),
  unaryCall: method('UnaryCall', {}, encode, decode),
  streamingInputCall: method('StreamingInputCall', { requests: true }, encode, decode),
  streamingOutputCall: method('StreamingOutputCall', { responses: true }, encode, decode),
  fullDuplexCall: method('FullDuplexCall', { requests: true, responses: true }, encode, decode),
}

export interface TestService {
  readonly port: number
  /** Resolves when the next streaming call has begun at the server. */
  nextCall(): Promise<ServerSide>
}

/** A stream as the server sees it. */
export interface ServerSide {
  /**
   * Resolves when the server learns that the call is over. grpc-js says so of a call that it ended itself, too, and its client half-closes
   * before it cancels: only of an UNENDING call this means a cancellation.
   */
  readonly cancelled: Promise<unknown>
}

export async function startTestService(t: TestContext): Promise<TestService> {
  const server = new Server()
  const calls = new EventEmitter()
  server.addService(METHODS, {
    emptyCall: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => answer(null, call.request),
    unaryCall,
    streamingOutputCall,
    streamingInputCall: (call: ServerReadableStream<Message, Message>, answer: sendUnaryData<Message>) => {
      note(calls, call)
      streamingInputCall(call, answer)
    },
    fullDuplexCall: (call: ServerDuplexStream<Message, Message>) => {
      note(calls, call)
      fullDuplexCall(call)
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  t.after(() => server.forceShutdown())
  return { port, nextCall: () => new Promise((resolve) => calls.once('begun', resolve)) }
}

function note(calls: EventEmitter, call: EventEmitter): void {
  const begun: ServerSide = { cancelled: new Promise((resolve) => call.once('cancelled', resolve)) }
  calls.emit('begun', begun)
}

function unaryCall(call: ServerUnaryCall<Message, Message>, answer: sendUnaryData<Message>): void {
  const { responseOctets, responseStatus } = call.request
  const { initial, trailing } = echoes(call.metadata)
  call.sendMetadata(initial)
  if (responseStatus !== undefined) answer({ code: responseStatus.code, details: responseStatus.message, metadata: trailing })
  else answer(null, { payloadOctets: responseOctets?.[0] ?? 0 }, trailing)
}

function streamingInputCall(call: ServerReadableStream<Message, Message>, answer: sendUnaryData<Message>): void {
  let aggregatedOctets = 0
  call.on('data', ({ payloadOctets = 0 }: Message) => {
    aggregatedOctets += payloadOctets
  })
  call.on('end', () => {
    if (call.metadata.get(UNENDING).length === 0) answer(null, { aggregatedOctets })
  })
}

function streamingOutputCall(call: ServerWritableStream<Message, Message>): void {
  for (const payloadOctets of call.request.responseOctets ?? []) call.write({ payloadOctets })
  call.end()
}

/** A request that asks for nothing gets no response: the server sleeps. */
function fullDuplexCall(call: ServerDuplexStream<Message, Message>): void {
  const { initial, trailing } = echoes(call.metadata)
  call.sendMetadata(initial)
  call.on('data', ({ responseOctets = [], responseStatus }: Message) => {
    for (const payloadOctets of responseOctets) call.write({ payloadOctets })
    if (responseStatus !== undefined) call.emit('error', { code: responseStatus.code, details: responseStatus.message, metadata: trailing })
  })
  call.on('end', () => {
    if (call.metadata.get(UNENDING).length === 0) call.end(trailing)
  })
}

function echoes(asked: Metadata): { readonly initial: Metadata; readonly trailing: Metadata } {
  const [initial, trailing] = [new Metadata(), new Metadata()]
  for (const value of asked.get(INITIAL)) initial.add(INITIAL, value)
  for (const value of asked.get(TRAILING)) trailing.add(TRAILING, value)
  return { initial, trailing }
}
