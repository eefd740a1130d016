// A program of its own: YAML on standard input, `{"value": ...}` or `{"problems": [...]}` on standard output. Started by
// bootstrap-file.ts. Anchors and merge keys are resolved, as in Envoy. It reads and writes the two descriptors directly and
// synchronously: it has nothing else to do, and must be gone when it has answered.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseDocument } from 'yaml'

const STDIN = 0
const STDOUT = 1

const document = parseDocument(readFileSync(STDIN, 'utf8'), { merge: true, prettyErrors: true })
const problems = document.errors.map(({ message, linePos }) => ({
  path: linePos === undefined ? '' : `line ${linePos[0].line}, column ${linePos[0].col}`,
  message: `not valid YAML: ${message.split('\n')[0]}`,
}))
writeFileSync(STDOUT, JSON.stringify(problems.length > 0 ? { problems } : { value: document.toJS() }))
