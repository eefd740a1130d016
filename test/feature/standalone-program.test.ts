// dist/lateen.js as npm installs it: quick to answer, and at home under an older Node of the system.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { before, test } from 'node:test'

const ROOT = path.resolve(import.meta.dirname, '../..')
const LATEEN = path.join(ROOT, 'dist/lateen.js')
/** The budget is 150 ms, where Node alone takes 50; told in Nodes, because a machine that runs other tests beside this one is slower. */
const BUDGET_IN_NODES = 3

before(() => {
  if (!existsSync(LATEEN)) assert.equal(spawnSync(process.execPath, [path.join(ROOT, 'scripts/build.ts')], { stdio: 'inherit' }).status, 0)
})

/** A Node of the system that is too old to run the mesh; undefined where there is none. */
function olderNode(): string | undefined {
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .filter((folder) => !folder.includes('node_modules'))
    .map((folder) => path.join(folder, 'node'))
    .find((file) => existsSync(file) && Number(/^v(\d+)/.exec(spawnSync(file, ['--version'], { encoding: 'utf8' }).stdout)?.[1]) < 24)
}

function startMs(...words: readonly string[]): number {
  const before = performance.now()
  assert.equal(spawnSync(process.execPath, words, { stdio: 'ignore' }).status, 0)
  return performance.now() - before
}

for (const word of ['--help', 'version']) {
  test(`lateen ${word} answers within its budget`, () => {
    // The best of five, in turns: the question is what the program costs, not what the machine was doing.
    const rounds = [1, 2, 3, 4, 5].map(() => ({ node: startMs('-e', '0'), lateen: startMs(LATEEN, word) }))
    const nodeMs = Math.min(...rounds.map(({ node }) => node))
    const lateenMs = Math.min(...rounds.map(({ lateen }) => lateen))
    assert.ok(lateenMs < BUDGET_IN_NODES * nodeMs, `${Math.round(lateenMs)} ms, Node alone ${Math.round(nodeMs)} ms`)
  })
}

test('an older Node hands over to the one that the repository has locked', (t) => {
  const node = olderNode()
  if (node === undefined) return t.skip('the system has no Node older than 24')
  const { status, stdout } = spawnSync(node, [LATEEN, 'version'], { encoding: 'utf8' })
  assert.equal(status, 0)
  assert.match(stdout, /^lateen \S+ \(Node 24\./)
})

test('an exit code survives the handing over', (t) => {
  const node = olderNode()
  if (node === undefined) return t.skip('the system has no Node older than 24')
  assert.equal(spawnSync(node, [LATEEN, 'nonsense']).status, 1)
})
