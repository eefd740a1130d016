// Words in which values-schema.ts is written: short for JSON Schema (draft 7, what Helm checks). Every value has a description.
export interface Schema {
  readonly description?: string
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly enum?: readonly (string | number)[]
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly required?: readonly string[]
  readonly [word: string]: unknown
}

export const text = (description: string, more: Schema = {}): Schema => ({ description, type: 'string', ...more })
export const toggle = (description: string): Schema => ({ description, type: 'boolean' })
export const count = (description: string, minimum = 0, maximum?: number): Schema => ({
  description,
  type: 'integer',
  minimum,
  ...(maximum === undefined ? {} : { maximum }),
})
export const choice = (description: string, ...values: readonly string[]): Schema => ({ description, type: 'string', enum: values })
export const list = (description: string, items: Schema): Schema => ({ description, type: 'array', items })
export const texts = (description: string): Schema => list(description, { type: 'string' })

/** A mapping with exactly these fields. */
export const fields = (description: string, properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema => ({
  description,
  type: 'object',
  additionalProperties: false,
  properties,
  ...(required.length === 0 ? {} : { required }),
})

/** A mapping from any name to a text: labels, annotations. */
export const labels = (description: string): Schema => ({ description, type: 'object', additionalProperties: { type: 'string' } })

/** Kubernetes' own type, which its API server checks. */
export const kubernetes = (description: string, type: 'object' | 'array'): Schema =>
  type === 'array' ? { description, type, items: { type: 'object' } } : { description, type }

const quantity: Schema = { type: ['string', 'number'] }
export const resources = (description: string): Schema =>
  fields(description, {
    requests: { description: 'What is reserved', type: 'object', additionalProperties: quantity },
    limits: { description: 'What it may use at most', type: 'object', additionalProperties: quantity },
  })
