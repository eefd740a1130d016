// What an object's author does not want to hear again: codes in an annotation, Istio's or ours. Asked wherever Findings are made.
// Invariant: only remarks can be silenced. That a text cannot be read, that something is not in force or that somebody else won changes
// what the mesh does, and is said whatever the object says; of Findings that change nothing (LTN03xx) also errors may be silenced.
import { type Finding, type FindingCode, isFindingCode } from './finding.ts'
import type { AnyApiObject } from './kinds.ts'

export const SUPPRESSING_ANNOTATIONS: readonly string[] = ['galley.istio.io/analyze-suppress', 'lateen.dev/analyze-suppress']

/** Istio's codes of what can be silenced here. One of Istio's that is missing has no counterpart, or an error for one. */
const OURS: Readonly<Record<string, readonly FindingCode[]>> = {
  IST0002: ['LTN0143'],
  IST0101: ['LTN0207', 'LTN0208', 'LTN0301'],
  IST0107: ['LTN0153'],
  IST0108: ['LTN0153'],
  IST0109: ['LTN0216'],
  IST0110: ['LTN0307'],
  IST0111: ['LTN0308'],
  IST0116: ['LTN0310'],
  IST0118: ['LTN0148'],
  IST0127: ['LTN0306'],
  IST0128: ['LTN0149'],
  IST0129: ['LTN0149'],
  IST0130: ['LTN0144'],
  IST0131: ['LTN0145'],
  IST0132: ['LTN0302'],
  IST0134: ['LTN0312'],
  IST0137: ['LTN0317'],
  IST0138: ['LTN0304'],
  IST0145: ['LTN0303'],
  IST0149: ['LTN0314'],
  IST0151: ['LTN0152'],
  IST0155: ['LTN0152'],
  IST0157: ['LTN0318'],
  IST0159: ['LTN0307'],
  IST0160: ['LTN0308'],
  IST0162: ['LTN0305'],
  IST0173: ['LTN0204'],
  IST0174: ['LTN0207'],
  IST0177: ['LTN0311'],
}

/** What is not in force is said every time. */
const ALWAYS_SAID: ReadonlySet<string> = new Set(['LTN0102', 'LTN0103', 'LTN0104', 'LTN0121'])

/** The codes as they are written, `*` included. */
export function suppressedCodes({ metadata }: Pick<AnyApiObject, 'metadata'>): readonly string[] {
  return SUPPRESSING_ANNOTATIONS.flatMap((name) => metadata.annotations[name]?.split(',') ?? []).flatMap((code) => code.trim() || [])
}

/** A slip in a code would silence nothing, and look as if it did. Codes of Istio without a counterpart are fine. */
export function isKnownCode(written: string): boolean {
  return written === '*' || isFindingCode(written) || /^IST\d{4}$/.test(written)
}

export function isSuppressed({ code, severity }: Finding, written: readonly string[]): boolean {
  if (written.length === 0 || ALWAYS_SAID.has(code)) return false
  if (severity === 'error' && !code.startsWith('LTN03')) return false
  return written.some((each) => each === '*' || each === code || OURS[each]?.includes(code) === true)
}

/** Without what the objects that they are about have silenced. */
export function unsuppressed(
  findings: readonly Finding[],
  objects: Readonly<Record<string, ReadonlyMap<string, Pick<AnyApiObject, 'metadata'>>>>,
): readonly Finding[] {
  return findings.filter((found) => {
    const { object } = found
    const about = object === undefined ? undefined : objects[object.kind]?.get(`${object.namespace}/${object.name}`)
    return about === undefined || !isSuppressed(found, suppressedCodes(about))
  })
}
