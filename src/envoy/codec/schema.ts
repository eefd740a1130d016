// The table that drives all four codecs: which messages there are, and each field's number, name, kind and whether our proxy
// honours it. The text is generated (generated/*.gen.ts); a message's line is parsed when it is first needed, because a
// proxy uses few of them and starts often.
// Line: `full.Name|field 1 s,other 2 *m1c 0`: name, number, flags and kind, and the oneof it belongs to.

export const DOUBLE = 0
export const FLOAT = 1
export const INT32 = 2
export const UINT32 = 3
export const SINT32 = 4
export const INT64 = 5
export const UINT64 = 6
export const SINT64 = 7
export const FIXED32 = 8
export const FIXED64 = 9
export const SFIXED32 = 10
export const SFIXED64 = 11
export const BOOL = 12
export const STRING = 13
export const BYTES = 14
export const ENUM = 15
export const MESSAGE = 16
export const DURATION = 17
export const TIMESTAMP = 18
export const STRUCT = 19
export const VALUE = 20
export const LIST_VALUE = 21
export const ANY = 22

const KINDS: Readonly<Record<string, number>> = {
  d: DOUBLE,
  f: FLOAT,
  i: INT32,
  u: UINT32,
  z: SINT32,
  I: INT64,
  U: UINT64,
  Z: SINT64,
  x: FIXED32,
  X: FIXED64,
  y: SFIXED32,
  Y: SFIXED64,
  b: BOOL,
  s: STRING,
  B: BYTES,
  e: ENUM,
  m: MESSAGE,
  D: DURATION,
  T: TIMESTAMP,
  S: STRUCT,
  V: VALUE,
  L: LIST_VALUE,
  A: ANY,
}

export const VARINT = 0
export const FIXED_64 = 1
export const LENGTH = 2
export const FIXED_32 = 5

/** Wire type by kind. */
const WIRE_TYPES = [1, 5, 0, 0, 0, 0, 0, 0, 5, 1, 5, 1, 0, 2, 2, 0, 2, 2, 2, 2, 2, 2, 2]

export function wireTypeOf(kind: number): number {
  return WIRE_TYPES[kind] ?? LENGTH
}

const RANGES: Readonly<Record<number, readonly [low: number, high: number]>> = {
  [INT32]: [-0x80000000, 0x7fffffff],
  [SINT32]: [-0x80000000, 0x7fffffff],
  [SFIXED32]: [-0x80000000, 0x7fffffff],
  [UINT32]: [0, 0xffffffff],
  [FIXED32]: [0, 0xffffffff],
  [UINT64]: [0, Number.MAX_SAFE_INTEGER],
  [FIXED64]: [0, Number.MAX_SAFE_INTEGER],
}
const SAFE = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] as const

export function integerRange(kind: number): readonly [low: number, high: number] {
  return RANGES[kind] ?? SAFE
}

export interface FieldSchema {
  /** As in the .proto file; paths in errors use it, because users write it. */
  readonly name: string
  readonly camel: string
  readonly number: number
  readonly kind: number
  readonly wireType: number
  /** google.protobuf.UInt32Value and its siblings: a message on the wire, a bare scalar to us. */
  readonly wrapper: boolean
  readonly repeated: boolean
  readonly key: FieldSchema | undefined
  /** Sent although zero: `optional`, or a member of a oneof. */
  readonly presence: boolean
  readonly honoured: boolean
  /** Every member of its oneof, itself included; empty when in none. */
  readonly rivals: readonly FieldSchema[]
  /** Of an enum field: its values; an unhonoured one knows only its zero. */
  readonly enum: EnumSchema | undefined
  /** Of an honoured message field. */
  readonly message: MessageSchema | undefined
}

export interface EnumSchema {
  readonly fullName: string
  readonly numbers: ReadonlyMap<string, number>
  readonly names: ReadonlyMap<number, string>
}

export class MessageSchema {
  readonly fullName: string
  readonly #text: string
  readonly #schema: Schema
  #byNumber: (FieldSchema | undefined)[] | undefined
  #byName: Map<string, FieldSchema> | undefined
  #byCamel: Map<string, FieldSchema> | undefined
  #fields: readonly FieldSchema[] | undefined

  constructor(schema: Schema, line: string) {
    const bar = line.indexOf('|')
    this.fullName = line.slice(0, bar)
    this.#text = line.slice(bar + 1)
    this.#schema = schema
  }

  /** Ascending by number. */
  get fields(): readonly FieldSchema[] {
    this.#fields ??= parseFields(this.#text, this.#schema)
    return this.#fields
  }

  byNumber(number: number): FieldSchema | undefined {
    this.#byNumber ??= indexByNumber(this.fields)
    return this.#byNumber[number]
  }

  byCamel(name: string): FieldSchema | undefined {
    this.#byCamel ??= new Map(this.fields.map((field) => [field.camel, field]))
    return this.#byCamel.get(name)
  }

  /** By either spelling. */
  byName(name: string): FieldSchema | undefined {
    this.#byName ??= new Map(this.fields.flatMap((field) => [[field.name, field] as const, [field.camel, field] as const]))
    return this.#byName.get(name)
  }
}

export class Schema {
  readonly #messages: readonly MessageSchema[]
  readonly #byName: ReadonlyMap<string, MessageSchema>
  readonly #enumLines: readonly string[]
  readonly #enums: (EnumSchema | undefined)[] = []

  /** @param text messages, an empty line, enums. */
  constructor(text: string) {
    const middle = text.indexOf('\n\n')
    this.#messages = text
      .slice(0, middle)
      .split('\n')
      .map((line) => new MessageSchema(this, line))
    this.#byName = new Map(this.#messages.map((message) => [message.fullName, message]))
    this.#enumLines = text.slice(middle + 2).split('\n')
  }

  get messages(): readonly MessageSchema[] {
    return this.#messages
  }

  message(fullName: string): MessageSchema | undefined {
    return this.#byName.get(fullName)
  }

  messageAt(index: number): MessageSchema | undefined {
    return this.#messages[index]
  }

  enumAt(index: number): EnumSchema | undefined {
    this.#enums[index] ??= parseEnum(this.#enumLines[index] ?? '|')
    return this.#enums[index]
  }
}

/** protobuf's rule for JSON names: an underscore goes, the character after it becomes upper case. */
export function jsonName(name: string): string {
  return name.includes('_') ? name.replace(/_+(.?)/g, (_match, next: string) => next.toUpperCase()) : name
}

function parseFields(text: string, schema: Schema): FieldSchema[] {
  const oneofs = new Map<string, FieldSchema[]>()
  if (text === '') return []
  return text.split(',').map((entry) => {
    const [name = '', number = '', type = '', oneof] = entry.split(' ')
    const rivals = oneof === undefined ? [] : (oneofs.get(oneof) ?? [])
    const field = parseField(name, Number(number), type, rivals, schema)
    if (oneof !== undefined) {
      rivals.push(field)
      oneofs.set(oneof, rivals)
    }
    return field
  })
}

const TYPE = /^(~?)(!?)(\*?)(?:\{(.))?(W?)(.)(.*)$/

function parseField(name: string, number: number, type: string, rivals: readonly FieldSchema[], schema: Schema): FieldSchema {
  const [, unhonoured, presence, repeated, key, wrapper, letter = '', ref = ''] = TYPE.exec(type) ?? []
  const kind = KINDS[letter] ?? MESSAGE
  const honoured = unhonoured === ''
  return new Field({
    name,
    number,
    kind,
    wrapper: wrapper === 'W',
    repeated: repeated === '*',
    key: key === undefined ? undefined : parseField('key', 1, key, [], schema),
    presence: presence === '!',
    honoured,
    rivals,
    enum: kind === ENUM ? (honoured ? schema.enumAt(Number.parseInt(ref, 36)) : zeroOnly(ref)) : undefined,
    message: kind === MESSAGE && honoured ? schema.messageAt(Number.parseInt(ref, 36)) : undefined,
  })
}

/** A class, so that every field has one hidden class in the codecs' loops. */
class Field implements FieldSchema {
  readonly name: string
  readonly camel: string
  readonly number: number
  readonly kind: number
  readonly wireType: number
  readonly wrapper: boolean
  readonly repeated: boolean
  readonly key: FieldSchema | undefined
  readonly presence: boolean
  readonly honoured: boolean
  readonly rivals: readonly FieldSchema[]
  readonly enum: EnumSchema | undefined
  readonly message: MessageSchema | undefined

  constructor(from: Omit<FieldSchema, 'camel' | 'wireType'>) {
    this.name = from.name
    this.camel = jsonName(from.name)
    this.number = from.number
    this.kind = from.kind
    this.wireType = from.wrapper ? LENGTH : wireTypeOf(from.kind)
    this.wrapper = from.wrapper
    this.repeated = from.repeated
    this.key = from.key
    this.presence = from.presence
    this.honoured = from.honoured
    this.rivals = from.rivals
    this.enum = from.enum
    this.message = from.message
  }
}

function zeroOnly(name: string): EnumSchema {
  return { fullName: '', numbers: new Map([[name, 0]]), names: new Map([[0, name]]) }
}

function parseEnum(line: string): EnumSchema {
  const [fullName = '', values = ''] = line.split('|')
  const entries = values.split(',').map((entry) => {
    const [name = '', number = ''] = entry.split(' ')
    return [name, Number(number)] as const
  })
  // The first name of a number wins: later ones are aliases.
  return { fullName, numbers: new Map(entries), names: new Map(entries.toReversed().map(([name, number]) => [number, name])) }
}

/** Dense: field numbers of Envoy's messages are below 200 (checked by the generator). */
function indexByNumber(fields: readonly FieldSchema[]): (FieldSchema | undefined)[] {
  const index: (FieldSchema | undefined)[] = new Array((fields.at(-1)?.number ?? 0) + 1).fill(undefined)
  for (const field of fields) index[field.number] = field
  return index
}
