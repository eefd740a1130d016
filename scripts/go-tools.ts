// npm run go-tools: builds the conformance programs of test/harness/go-tools.ts into .cache, each from an exact version of its module.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { findGoTool, GO_TOOLS, GO_TOOLS_FOLDER, type GoTool } from '../test/harness/go-tools.ts'

mkdirSync(GO_TOOLS_FOLDER, { recursive: true })
for (const [tool, { package: module, version, builds }] of Object.entries(GO_TOOLS)) {
  if (!isTool(tool)) continue
  if (findGoTool(tool) === undefined) install(tool, `${module}@${version}`, builds)
  console.log(`${tool}: ${findGoTool(tool) ?? 'could not be built; it needs Go 1.24 or newer and the Go module proxy'}`)
  if (findGoTool(tool) === undefined) process.exitCode = 1
}

/** Built beside and renamed, so that a stop half-way leaves nothing that looks whole. */
function install(tool: GoTool, target: string, builds: string): void {
  const fresh = mkdtempSync(path.join(GO_TOOLS_FOLDER, 'partial-'))
  const { status } = spawnSync('go', ['install', target], { stdio: 'inherit', env: { ...process.env, GOBIN: fresh, GOFLAGS: '-mod=mod' } })
  if (status === 0) renameSync(path.join(fresh, builds), path.join(GO_TOOLS_FOLDER, tool))
  rmSync(fresh, { recursive: true, force: true })
}

function isTool(name: string): name is GoTool {
  return name in GO_TOOLS
}
