// Our CRDs and our validator against a real API server: it takes every CRD (its budget for CEL rules included) and gives every object
// of the corpus the verdict that our walker gives it by the same schema.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { apiVersionsOf, type KindInfo, kindInfo, schemaOf } from '../../src/api/kinds.ts'
import { isRecord } from '../../src/api/record.ts'
import { collector } from '../../src/api/report.ts'
import { checkValue } from '../../src/api/schema/check.ts'
import { withoutNulls } from '../../src/api/schema/without-nulls.ts'
import { readCorpus } from '../corpus/corpus.ts'
import { waitFor } from '../harness/wait.ts'
import { type ApiServer, connectApiServer } from './api-server.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const kubeconfig = process.env.LATEEN_TEST_KUBECONFIG
const skip = kubeconfig === undefined ? 'needs an API server: set LATEEN_TEST_KUBECONFIG to a kubeconfig of a cluster for tests' : false
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

function ourVerdict(info: KindInfo, value: Readonly<Record<string, unknown>>): readonly string[] {
  const { report, findings } = collector(undefined, () => undefined)
  const { metadata: _metadata, status: _status, ...body } = value
  const schema = schemaOf(info)
  checkValue(withoutNulls(body, schema), schema, [], report)
  return findings.map(({ code, path, message }) => `${code} ${path}: ${message}`)
}

/** Only what a CRD decides: metadata and kinds of the core are the API server's own business. */
function objectsIn(text: string): readonly { readonly info: KindInfo; readonly value: Readonly<Record<string, unknown>> }[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) return []
    let value: unknown
    try {
      value = document.toJS()
    } catch {
      return []
    }
    if (!isRecord(value) || typeof value.kind !== 'string') return []
    const info = kindInfo(value.kind)
    const known = info !== undefined && info.group !== '' && apiVersionsOf(info).includes(String(value.apiVersion))
    return known ? [{ info, value: { ...value, metadata: { name: 'a', namespace: 'default' } } }] : []
  })
}

test('a real API server takes every CRD and agrees with our walker on the corpus', { skip }, async (t) => {
  const server = connectApiServer(kubeconfig ?? '')
  t.after(() => server.close())
  for (const folder of ['crds', 'crds/standalone']) {
    for (const file of readdirSync(root + folder).filter((name) => name.endsWith('.yaml'))) {
      const text = readFileSync(`${root}${folder}/${file}`, 'utf8')
      const name = /^ {2}name: (\S+)$/m.exec(text)?.[1] ?? ''
      assert.equal(await server.apply(CRDS, name, text), undefined, file)
    }
  }

  const disagreements: string[] = []
  for (const folder of ['good', 'bad']) {
    for (const found of readCorpus(`${root}test/corpus/${folder}`)) {
      for (const { info, value } of objectsIn(found.text)) {
        const ours = ourVerdict(info, value)
        const theirs = await askWhenServed(server, info, value)
        if ((ours.length === 0) !== (theirs === undefined)) {
          disagreements.push(
            `${folder}/${found.file}:${found.line}: ours: ${ours.join('; ') || 'accepted'}, theirs: ${theirs ?? 'accepted'}`,
          )
        }
      }
    }
  }
  assert.deepEqual(disagreements, [])
})

/** A CRD is served a moment after it is taken: until then the answer is 'not found'. */
async function askWhenServed(server: ApiServer, info: KindInfo, value: Readonly<Record<string, unknown>>): Promise<string | undefined> {
  const ask = async (): Promise<{ readonly answer: string | undefined } | undefined> => {
    const answer = await server.refusal(`/apis/${String(value.apiVersion)}/namespaces/default/${info.plural}`, value)
    const served = answer?.includes('could not find the requested resource') !== true && answer?.includes('404 page not found') !== true
    return served ? { answer } : undefined
  }
  return (await waitFor(ask, { what: `${info.plural} on the API server`, timeoutMs: 30_000 })).answer
}
