// The flame graph shows each call once, as wide as its time; what is idle is no cost.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CpuProfile, dearest, flameGraph, lastOf } from './flame-graph.ts'

const frame = (functionName: string, url = 'file:///dist/proxy.js') => ({ functionName, url, lineNumber: 9 })

const PROFILE: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)', ''), children: [2, 4, 5] },
    { id: 2, callFrame: frame('read'), children: [3] },
    { id: 3, callFrame: frame('parse<head>') },
    { id: 4, callFrame: frame('(idle)', '') },
    { id: 5, callFrame: frame('read') },
  ],
  samples: [3, 2, 4, 5],
  timeDeltas: [300, 100, 5000, 600],
}

test('a function called from one place is one frame, as wide as all its time', () => {
  const svg = flameGraph(PROFILE, 'S1')

  assert.match(svg, /<title>read dist\/proxy\.js:10 100\.0 %<\/title>/)
  assert.match(svg, /<title>parse&lt;head&gt; dist\/proxy\.js:10 30\.0 %<\/title>/)
  assert.equal(svg.includes('idle'), false)
  assert.match(svg, /S1: 1 ms of processor time/)
})

test('the dearest functions are told by their own time', () => {
  assert.deepEqual(dearest(PROFILE, 1), [['read dist/proxy.js:10', 0.7]])
})

test('the last part of a profile holds nothing of what came before', () => {
  const { samples, timeDeltas } = lastOf(PROFILE, 5600)

  assert.deepEqual(samples, [4, 5])
  assert.deepEqual(timeDeltas, [5000, 600])
})
