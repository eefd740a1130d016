// A program of its own: YAML on standard input, `{"value": ...}` or `{"problems": [...]}` on standard output. Started by
// bootstrap-file.ts. Anchors and merge keys are resolved, as in Envoy.
import { text } from 'node:stream/consumers'
import { parseDocument } from 'yaml'

const document = parseDocument(await text(process.stdin), { merge: true, prettyErrors: true })
const problems = document.errors.map(({ message, linePos }) => ({
  path: linePos === undefined ? '' : `line ${linePos[0].line}, column ${linePos[0].col}`,
  message: `not valid YAML: ${message.split('\n')[0]}`,
}))
process.stdout.write(JSON.stringify(problems.length > 0 ? { problems } : { value: document.toJS() }))
