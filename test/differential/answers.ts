// The bytes that a proxy sent back, as a list of answers. Called by exchange.ts while bytes arrive (is everything here?) and at the end;
// the chunks also by upstream.ts.
// Invariant: a body ends where RFC 9112 6.3 says, so that a proxy that frames badly is seen and not healed.

export interface RawAnswer {
  readonly status: number
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body: string
  /** False: more bytes belong to it, or nobody can say where it ends. */
  readonly complete: boolean
}

export function splitAnswers(text: string, methods: readonly string[]): readonly RawAnswer[] {
  const answers: RawAnswer[] = []
  let rest = text
  let final = 0
  while (rest !== '') {
    const headEnd = rest.indexOf('\r\n\r\n')
    if (headEnd < 0) return [...answers, { status: 0, fields: [], body: rest, complete: false }]
    const [statusLine = '', ...lines] = rest.slice(0, headEnd).split('\r\n')
    const status = Number(statusLine.split(' ')[1])
    const fields = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()] as const)
    const body = takeBody(rest.slice(headEnd + 4), status, fields, methods[final] ?? 'GET')
    answers.push({ status, fields, body: body.text, complete: body.complete })
    rest = body.rest
    if (status >= 200) final++
  }
  return answers
}

export interface TakenBody {
  readonly text: string
  readonly complete: boolean
  readonly rest: string
}

function takeBody(text: string, status: number, fields: RawAnswer['fields'], method: string): TakenBody {
  // After 101 the connection speaks another protocol: all of it belongs to the answer.
  if (status === 101) return { text, complete: text !== '', rest: '' }
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') return { text: '', complete: true, rest: text }
  const value = (name: string): string | undefined => fields.find(([each]) => each.toLowerCase() === name)?.[1]
  if (value('transfer-encoding') === 'chunked') return takeChunks(text)
  const length = value('content-length')
  if (length === undefined) return { text, complete: false, rest: '' }
  return { text: text.slice(0, Number(length)), complete: text.length >= Number(length), rest: text.slice(Number(length)) }
}

/** The content, and behind it the trailer lines; where chunks begin and end means nothing (RFC 9112 7.1). */
export function takeChunks(text: string): TakenBody {
  let content = ''
  let rest = text
  for (;;) {
    const lineEnd = rest.indexOf('\r\n')
    if (lineEnd < 0) return { text: `${content}<unfinished>`, complete: false, rest: '' }
    const size = Number.parseInt(rest.slice(0, lineEnd), 16)
    rest = rest.slice(lineEnd + 2)
    if (size === 0) break
    content += rest.slice(0, size)
    if (rest.length < size + 2) return { text: `${content}<unfinished>`, complete: false, rest: '' }
    rest = rest.slice(size + 2)
  }
  if (rest.startsWith('\r\n')) return { text: content, complete: true, rest: rest.slice(2) }
  const end = rest.indexOf('\r\n\r\n')
  if (end < 0) return { text: `${content}<unfinished>`, complete: false, rest: '' }
  return { text: `${content}<trailers>${rest.slice(0, end)}`, complete: true, rest: rest.slice(end + 4) }
}
