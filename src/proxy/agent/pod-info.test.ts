import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePodInfo, readPodLabels } from './pod-info.ts'

test("labels are read as the downward API writes them, Go's escapes included", () => {
  const text = 'app="reviews"\npod-template-hash="5d4f"\nexample.com/note="a \\"b\\"\\n\\u00e9\\x01"\nempty=""'
  assert.deepEqual(parsePodInfo(text), { app: 'reviews', 'pod-template-hash': '5d4f', 'example.com/note': 'a "b"\né\x01', empty: '' })
})

test('a folder that is not there means no labels', () => {
  assert.deepEqual(readPodLabels('/nonexistent'), {})
})
