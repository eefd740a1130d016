// The folder of one standalone mesh: keys, recorded ports, the control plane's socket. Private to its user (0700), one per directory of
// configuration, so that two meshes never share a secret. Layout is said here and nowhere else.
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { LateenError } from '../base/errors.ts'
import type { AddressStrategy } from './address-plan.ts'

/** What `lateen run` settles before anything starts; the control plane plans addresses with it. */
export interface MeshSettings {
  /** The directory of configuration, absolute. */
  readonly dir: string
  /** Number of this mesh among those of the machine. */
  readonly mesh: number
  readonly strategy: AddressStrategy
  /** Replaces the hostPort of everything published: the first gets it, the next the one after it. */
  readonly ingressPort: number | undefined
}

export interface StateFolder {
  readonly path: string
  readonly settingsFile: string
  readonly assignmentsFile: string
  readonly socket: string
  /** Folder of one instance's sidecar (`<namespace>/<name>`): bootstrap, join token, saved certificates. */
  proxyFolder(instance: string): string
}

/** A UNIX socket's path ends at 103 bytes on macOS, 107 on Linux. */
const MAX_SOCKET_PATH = 103

/** Where the state of all meshes of this user lives. */
export function stateRoot(env: Readonly<Record<string, string | undefined>>): string {
  const base = env.XDG_STATE_HOME ?? path.join(env.HOME ?? '/tmp', '.local', 'state')
  return path.join(base, 'lateen')
}

/** The folder of the mesh that runs `dir`; the name says which, the digest tells two of the same name apart. */
export function stateFolderPath(dir: string, env: Readonly<Record<string, string | undefined>>): string {
  const digest = createHash('sha256').update(dir).digest('hex').slice(0, 8)
  const name = path.basename(dir).replace(/[^A-Za-z0-9_.-]/g, '-')
  return path.join(stateRoot(env), `${name}-${digest}`)
}

/** Creates it when needed. An existing folder that others may read is closed: it holds the root's key. */
export function openStateFolder(folder: string): StateFolder {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  return describeStateFolder(folder)
}

export function describeStateFolder(folder: string): StateFolder {
  const socket = path.join(folder, 'control.sock')
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH) {
    throw new LateenError(
      'STATE_PATH_TOO_LONG',
      `The state folder ${folder} has too long a path for a UNIX socket (${MAX_SOCKET_PATH} bytes with /control.sock). Choose a shorter one with --state.`,
    )
  }
  return {
    path: folder,
    settingsFile: path.join(folder, 'mesh.json'),
    assignmentsFile: path.join(folder, 'addresses.json'),
    socket,
    proxyFolder: (instance) => path.join(folder, 'proxies', instance.replace('/', '_')),
  }
}

/** Every folder under the root that a mesh has used, newest first. */
export function knownStateFolders(root: string): readonly string[] {
  let names: string[]
  try {
    names = readdirSync(root)
  } catch {
    return []
  }
  return names
    .map((name) => path.join(root, name))
    .filter((folder) => modifiedMs(path.join(folder, 'mesh.json')) > 0)
    .sort((a, b) => modifiedMs(path.join(b, 'mesh.json')) - modifiedMs(path.join(a, 'mesh.json')))
}

function modifiedMs(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

export function readSettings(folder: StateFolder): MeshSettings | undefined {
  const value = readJson(folder.settingsFile)
  if (typeof value !== 'object' || value === null) return undefined
  const { dir, mesh, strategy, ingressPort } = value as Partial<Record<keyof MeshSettings, unknown>>
  if (typeof dir !== 'string' || typeof mesh !== 'number' || (strategy !== 'loopback' && strategy !== 'ports')) return undefined
  return { dir, mesh, strategy, ingressPort: typeof ingressPort === 'number' ? ingressPort : undefined }
}

/** Undefined when the file is missing or damaged: everything in these files can be made anew. */
export function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/** Readers see the old content or the new, never half of it; nobody else on the machine reads it. */
export function writePrivateFile(file: string, content: string): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  const partial = `${file}.partial`
  writeFileSync(partial, content, { mode: 0o600 })
  renameSync(partial, file)
}
