// The shape of a catalogue entry. Texts name things in {braces}; finding.ts demands exactly those as parameters.

/** error: refused, or in force in a way that the author did not mean. warning: works, but probably not as meant. info: worth knowing. */
export type Severity = 'error' | 'warning' | 'info'

export interface CatalogueEntry {
  readonly severity: Severity
  /** Without placeholders: the heading in docs/findings.md. */
  readonly title: string
  /** The message: what is wrong, in one sentence without its full stop. */
  readonly what: string
  /** What follows from it. */
  readonly why: string
  /** What to do, as a sentence: the Finding's hint. */
  readonly fix: string
  /** YAML that produces it. */
  readonly example: string
}
