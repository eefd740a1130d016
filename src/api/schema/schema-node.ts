// The validator's form of an OpenAPI schema: what scripts/gen-api.ts keeps of a CRD. Walked by schema/check.ts and in-force.ts.
// Invariant: nodes are shared (one StringMatch for eight fields), so nobody may write to them.

export interface SchemaNode {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly required?: readonly string[]
  /** Unknown fields are kept and not a mistake. */
  readonly open?: true
  readonly values?: SchemaNode
  readonly items?: SchemaNode
  readonly enum?: readonly string[]
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: true
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly intOrString?: true
  readonly nullable?: true
  readonly format?: string
  /** A duration of at least so many milliseconds. */
  readonly durationMinMs?: number
  /** Members of a list are told apart by these fields. */
  readonly listKeys?: readonly string[]
  readonly oneOf?: readonly OneOf[]
  readonly rules?: readonly CelRule[]
}

/** At most one of `fields` may be set; exactly one when `required`. */
export interface OneOf {
  readonly fields: readonly string[]
  readonly required: boolean
}

/** A rule that the API server evaluates as CEL; its twin in TypeScript is in schema/cel-twins.ts. */
export interface CelRule {
  readonly rule: string
  readonly message: string
}
