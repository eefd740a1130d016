// Kubernetes Secrets in a user's files. They are no kind of the mesh: whoever reads objects passes over them, so that no key is ever among
// the objects that are compiled, kept, shown or sent to another thread. Who needs credentials asks for them here.
// Invariant: nothing of a Secret's content is in any message.
import { parseAllDocuments } from 'yaml'
import { isRecord } from './record.ts'

/** `namespace/name` to its values, as they are meant and not in base64. */
export type SecretObjects = ReadonlyMap<string, Readonly<Record<string, string>>>

export const NO_SECRETS: SecretObjects = new Map()

export function isSecretObject(value: unknown): boolean {
  return isRecord(value) && value.kind === 'Secret' && value.apiVersion === 'v1'
}

const MAX_ALIASES = 100

/** Of one file. Undefined: it is no YAML (now), and says nothing about what its author wants. */
export function secretsIn(text: string, defaultNamespace: string): SecretObjects | undefined {
  // Most files have none and are not parsed twice.
  if (!/\bkind\b["']?\s*:\s*["']?Secret\b/.test(text)) return NO_SECRETS
  const found = new Map<string, Readonly<Record<string, string>>>()
  const documents = documentsOf(text)
  if (documents === undefined) return undefined
  for (const value of documents) {
    if (!isRecord(value) || !isSecretObject(value) || !isRecord(value.metadata)) continue
    const { name, namespace } = value.metadata
    if (typeof name !== 'string') continue
    const key = `${typeof namespace === 'string' && namespace !== '' ? namespace : defaultNamespace}/${name}`
    if (!found.has(key)) found.set(key, { ...decoded(value.data), ...texts(value.stringData) })
  }
  return found
}

function documentsOf(text: string): readonly unknown[] | undefined {
  try {
    const parsed = parseAllDocuments(text, { merge: true, logLevel: 'error' })
    const documents = Array.isArray(parsed) ? parsed : []
    if (documents.some(({ errors }) => errors.length > 0)) return undefined
    const values: unknown[] = documents.map((each) => each.toJS({ maxAliasCount: MAX_ALIASES }))
    return values.flatMap((value) => (isRecord(value) && value.kind === 'List' && Array.isArray(value.items) ? value.items : [value]))
  } catch {
    return undefined
  }
}

function decoded(data: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(texts(data)).map(([key, base64]) => [key, Buffer.from(base64, 'base64').toString('utf8')]))
}

function texts(value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value)) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
