// Conformance programs that others wrote, built from the Go module proxy: 'npm run go-tools' installs them under .cache.
import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'

export const GO_TOOLS_FOLDER = path.resolve(import.meta.dirname, '../../.cache/go-tools')

const GRPC = 'v1.76.0'

/** Name of the installed program, its package and its exact version. */
export const GO_TOOLS = {
  h2spec: { package: 'github.com/summerwind/h2spec/cmd/h2spec', version: 'v2.2.1+incompatible', builds: 'h2spec' },
  h2specd: { package: 'github.com/summerwind/h2spec/cmd/h2specd', version: 'v2.2.1+incompatible', builds: 'h2specd' },
  'grpc-interop-client': { package: 'google.golang.org/grpc/interop/client', version: GRPC, builds: 'client' },
  'grpc-interop-server': { package: 'google.golang.org/grpc/interop/server', version: GRPC, builds: 'server' },
} as const

export type GoTool = keyof typeof GO_TOOLS

export function findGoTool(tool: GoTool): string | undefined {
  const file = path.join(GO_TOOLS_FOLDER, tool)
  try {
    accessSync(file, constants.X_OK)
    return file
  } catch {
    return undefined
  }
}

/** For a test that cannot say anything without it: skips with the reason, or fails where CI promises one. */
export function requireGoTool(t: TestContext, tool: GoTool): string | undefined {
  const file = findGoTool(tool)
  if (file !== undefined) return file
  const reason = `no ${tool} here; 'npm run go-tools' builds it (needs Go)`
  if (process.env.CI === 'true') throw new Error(`${reason}: CI must have it`)
  t.skip(reason)
  return undefined
}
