// How validators say what they found: they know the path, the reporter knows the object and the text it came from.

import { type FieldPath, formatPath } from './field-path.ts'
import { type Finding, type FindingCode, type FindingParams, findingAt } from './finding.ts'
import type { ObjectRef, Position } from './object-meta.ts'

/** `at` says whether the name of the field or its value is wrong. */
export type Report = <Code extends FindingCode>(code: Code, path: FieldPath, params: FindingParams<Code>, at?: 'key' | 'value') => void

/** Finds the place of a field in a text; undefined when there is no text. */
export type Locate = (path: FieldPath, at: 'key' | 'value') => Position | undefined

export function collector(object: ObjectRef | undefined, locate: Locate): { readonly report: Report; readonly findings: Finding[] } {
  const findings: Finding[] = []
  const report: Report = (code, path, params, at = 'value') => {
    const made = findingAt(code, locate(path, at), formatPath(path), params)
    findings.push(object === undefined ? made : { ...made, object })
  }
  return { report, findings }
}
