// The client of gRPC's interoperability cases: each kind of call through grpc-js's own interface for it, and what came of it as one value.
import type { EventEmitter } from 'node:events'
import type { TestContext } from 'node:test'
import { type CallOptions, Client, credentials, Metadata, type StatusObject } from '@grpc/grpc-js'
import { decode, encode, METHODS, type Message } from './grpc-js-server.ts'

export interface CallResult {
  readonly code: number
  readonly details: string
  readonly messages: readonly Message[]
  readonly initial: Metadata
  readonly trailing: Metadata
}

/** What a test may add to a call. */
export interface Extras {
  readonly metadata?: Metadata
  readonly deadlineMs?: number
  readonly path?: string
}

/** Retries are off: they would hide what the sidecars did. */
export function interopClient(t: TestContext, port: number): Client {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.enable_retries': 0 })
  t.after(() => client.close())
  return client
}

/** The octets of an answer to no octets; rejects unless the status is OK. */
export function emptyCall(client: Client): Promise<Buffer | undefined> {
  const { path, requestSerialize, responseDeserialize } = METHODS.emptyCall
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, Buffer.alloc(0), (error, value) =>
      error === null ? resolve(value) : reject(error),
    )
  })
}

export function unaryCall(client: Client, message: Message, extras: Extras = {}): Promise<CallResult> {
  const path = extras.path ?? METHODS.unaryCall.path
  const messages: Message[] = []
  const call = client.makeUnaryRequest(
    path,
    encode,
    decode,
    message,
    extras.metadata ?? new Metadata(),
    options(extras),
    (_error, value) => {
      if (value !== undefined) messages.push(value)
    },
  )
  return result(call, messages)
}

export interface OpenCall {
  readonly result: Promise<CallResult>
  send(message: Message): void
  halfClose(): void
  cancel(): void
  /** Resolves with the next message. */
  received(): Promise<Message>
}

export function streamingInputCall(client: Client, extras: Extras = {}): Omit<OpenCall, 'received'> {
  const messages: Message[] = []
  const { path } = METHODS.streamingInputCall
  const metadata = extras.metadata ?? new Metadata()
  const call = client.makeClientStreamRequest<Message, Message>(path, encode, decode, metadata, options(extras), (_error, value) => {
    if (value !== undefined) messages.push(value)
  })
  return {
    result: result(call, messages),
    send: (message) => call.write(message),
    halfClose: () => call.end(),
    cancel: () => call.cancel(),
  }
}

export async function streamingOutputCall(client: Client, message: Message): Promise<CallResult> {
  const messages: Message[] = []
  const call = client.makeServerStreamRequest<Message, Message>(METHODS.streamingOutputCall.path, encode, decode, message)
  return streamed(call, messages)
}

export function fullDuplexCall(client: Client, extras: Extras = {}): OpenCall {
  const messages: Message[] = []
  const metadata = extras.metadata ?? new Metadata()
  const call = client.makeBidiStreamRequest<Message, Message>(METHODS.fullDuplexCall.path, encode, decode, metadata, options(extras))
  return {
    result: streamed(call, messages),
    send: (message) => call.write(message),
    halfClose: () => call.end(),
    cancel: () => call.cancel(),
    received: () =>
      new Promise((resolve, reject) => {
        call.once('data', resolve)
        call.once('status', ({ code, details }: StatusObject) => reject(new Error(`the call ended before a message: ${code} ${details}`)))
      }),
  }
}

function options({ deadlineMs }: Extras): CallOptions {
  return deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs }
}

/** The status may be told while messages still wait to be read: the call is over when both are. */
async function streamed(call: EventEmitter, messages: Message[]): Promise<CallResult> {
  const read = new Promise((resolve) => call.once('end', resolve))
  call.on('data', (message: Message) => messages.push(message))
  // A failure is told twice: as an error and as a status, which is what the cases look at.
  call.on('error', () => undefined)
  const [ended] = await Promise.all([result(call, messages), read])
  return ended
}

function result(call: EventEmitter, messages: readonly Message[]): Promise<CallResult> {
  let initial = new Metadata()
  call.on('metadata', (metadata: Metadata) => {
    initial = metadata
  })
  return new Promise((resolve) => {
    call.once('status', ({ code, details, metadata }: StatusObject) => resolve({ code, details, messages, initial, trailing: metadata }))
  })
}
