// A Finding is a user's mistake, or something worth knowing, as data: never thrown, never ignored. Made by validation and by compile;
// shown by status conditions, admission warnings, the CLI and the console. Texts live in catalogue.ts, so a code means one thing.
import { type Catalogue, type CatalogueEntry, catalogue, type Severity } from './catalogue.ts'
import { type ApiObject, type ObjectRef, type Position, refOf } from './object-meta.ts'

export type { Severity } from './catalogue.ts'
export type { ObjectRef, Position } from './object-meta.ts'

export type FindingCode = keyof Catalogue

export function isFindingCode(text: string): text is FindingCode {
  return Object.hasOwn(catalogue, text)
}

export interface Finding {
  readonly code: FindingCode
  readonly severity: Severity
  /** Absent when the text could not even be read as an object. */
  readonly object?: ObjectRef
  /** `spec.http[0].route[1].weight`; empty for the object as a whole. */
  readonly path: string
  readonly message: string
  readonly hint: string
  readonly position?: Position
}

/** The names in `{braces}` of a text, so that a forgotten parameter is a type error. */
type Placeholders<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | Placeholders<Rest> : never

export type FindingParams<Code extends FindingCode> = {
  readonly [Name in Placeholders<Catalogue[Code]['what'] | Catalogue[Code]['fix']>]: string | number
}

/** For an object that was read: its position is the object's first line until `locate` finds the field's own. */
export function finding<Code extends FindingCode>(code: Code, object: ApiObject, path: string, params: FindingParams<Code>): Finding {
  const made = findingAt(code, object.source, path, params)
  return { ...made, object: refOf(object) }
}

/** For text that is not an object yet, or whose position is known exactly. */
export function findingAt<Code extends FindingCode>(
  code: Code,
  position: Position | undefined,
  path: string,
  params: FindingParams<Code>,
): Finding {
  const entry: CatalogueEntry = catalogue[code]
  const where = position === undefined ? {} : { position: { file: position.file, line: position.line, column: position.column } }
  return { code, severity: entry.severity, path, message: fill(entry.what, params), hint: fill(entry.fix, params), ...where }
}

function fill(text: string, params: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole))
}

export function hasErrors(findings: readonly Finding[]): boolean {
  return findings.some(({ severity }) => severity === 'error')
}

/** `file:4:7: error LTN0101: VirtualService default/reviews: spec.http[0].rout: message. hint` */
export function formatFinding(found: Finding): string {
  const where = found.position === undefined ? '' : `${found.position.file}:${found.position.line}:${found.position.column}: `
  const { object } = found
  const name = object === undefined ? '' : ` ${object.kind} ${object.namespace === '' ? '' : `${object.namespace}/`}${object.name}:`
  const path = found.path === '' ? '' : ` ${found.path}:`
  return `${where}${found.severity} ${found.code}:${name}${path} ${found.message}${/[?.]$/.test(found.message) ? '' : '.'} ${found.hint}`
}
