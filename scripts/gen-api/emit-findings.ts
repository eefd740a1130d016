// docs/findings.md: the catalogue as a page that a user may search for the code in a message.
import { type CatalogueEntry, catalogue } from '../../src/api/catalogue.ts'

export function emitFindings(): string {
  const entries: readonly (readonly [string, CatalogueEntry])[] = Object.entries(catalogue)
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
  return [
    '# Findings',
    '',
    'What `lateen analyze`, the control plane and the console say about configuration, by code. `{words}` stand for names of your objects.',
    'Generated from `src/api/catalogue/` by `npm run gen`.',
    '',
    "An object can silence remarks about itself: `lateen.dev/analyze-suppress: LTN0306,LTN0144` as an annotation, or Istio's",
    "`galley.istio.io/analyze-suppress` with Istio's codes (`*`: all). That something cannot be read, is not in force or has lost against",
    'another object is said all the same: it changes what the mesh does.',
    '',
    '| code | severity | what |',
    '|---|---|---|',
    ...sorted.map(([code, entry]) => `| [${code}](#${code.toLowerCase()}) | ${entry.severity} | ${entry.title} |`),
    '',
    ...sorted.flatMap(([code, entry]) => [
      `## ${code}`,
      '',
      `**${entry.title}** (${entry.severity})`,
      '',
      `* Message: ${entry.what}`,
      `* Why: ${entry.why}`,
      `* Fix: ${entry.fix}`,
      '',
      '```yaml',
      entry.example.trim(),
      '```',
      '',
    ]),
  ].join('\n')
}
