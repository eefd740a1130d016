import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { loadReflection } from '../../scripts/gen-envoy/load.ts'
import { generateEnvoy } from '../../scripts/gen-envoy.ts'
import { jsonName, MESSAGE, Schema } from './codec/schema.ts'
import { tableText as fullText } from './generated/full-table.gen.ts'
import { tableText as proxyText } from './generated/proxy-table.gen.ts'
import { honoured } from './honoured.ts'

const proxy = new Schema(proxyText)
const full = new Schema(fullText)

test('every honoured message and field exists in the protos, and is marked in the proxy table', () => {
  const reflection = loadReflection()
  for (const [name, fields] of Object.entries(honoured)) {
    const inProtos = new Set(reflection.lookupType(name).fieldsArray.map((field) => jsonName(field.name)))
    const inTable =
      proxy
        .message(name)
        ?.fields.filter((field) => field.honoured)
        .map((field) => field.camel) ?? []
    for (const field of fields) assert.ok(inProtos.has(field), `${name} has no field ${field}`)
    assert.deepEqual([...inTable].sort(), [...fields].sort(), name)
  }
  assert.deepEqual(proxy.messages.map(({ fullName }) => fullName).sort(), Object.keys(honoured).sort())
})

test('the proxy table names every field of its messages, honoured or not, with the same number and kind', () => {
  for (const message of proxy.messages) {
    const expected = full.message(message.fullName)?.fields.map(({ name, number, kind, wireType }) => ({ name, number, kind, wireType }))
    assert.deepEqual(
      message.fields.map(({ name, number, kind, wireType }) => ({ name, number, kind, wireType })),
      expected,
      message.fullName,
    )
  }
})

test('the proxy table stays small: it is loaded by every sidecar', () => {
  assert.ok(proxyText.length < 60_000, `${proxyText.length} characters`)
})

test('every honoured message field leads to a message of the table', () => {
  for (const message of proxy.messages) {
    for (const field of message.fields) {
      if (field.honoured && field.kind === MESSAGE) assert.ok(field.message !== undefined, `${message.fullName}.${field.name}`)
    }
  }
})

test('the generated files are what the protos and honoured.ts yield', async () => {
  for (const [path, content] of await generateEnvoy()) {
    assert.ok(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8') === content, `${path} is out of date; run npm run gen`)
  }
})
