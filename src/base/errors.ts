// Unexpected failures are thrown as LateenError: a stable code for programs, a sentence for people, fields for the log.

export class LateenError extends Error {
  readonly code: string
  readonly fields: Readonly<Record<string, unknown>>

  /** @param code stable, SCREAMING_SNAKE. @param message what, where, why, and what to do. */
  constructor(code: string, message: string, options: { readonly cause?: unknown; readonly fields?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'LateenError'
    this.code = code
    this.fields = options.fields ?? {}
  }
}

/** The system's or Node's error code (`ECONNREFUSED`), or undefined. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') return error.code
  return undefined
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** For a promise whose failure is handled elsewhere; the reason says where. */
export function ignore(promise: Promise<unknown>, _reason: string): void {
  promise.catch(swallow)
}

function swallow(): undefined {
  return undefined
}

/** Closes an exhaustive switch: a new case fails to compile here. */
export function unreachable(value: never): never {
  throw new LateenError('UNREACHABLE', `unexpected value ${JSON.stringify(value)}`)
}
