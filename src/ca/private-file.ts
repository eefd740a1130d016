// Secrets on disk: written whole or not at all, readable by their owner only, and refused when somebody else could read them.
// Used for the root's key, join tokens and the control plane's records. Invariant: after a crash a file is the old one or the new one.
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, lstatSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorCode, LateenError } from '../base/errors.ts'

/** The text of the file, or undefined when there is none. Throws PRIVATE_FILE_EXPOSED when group or others may read or write it. */
export function readPrivateFile(path: string): string | undefined {
  const mode = modeOf(path)
  if (mode === undefined) return undefined
  if ((mode & 0o077) !== 0) {
    throw new LateenError(
      'PRIVATE_FILE_EXPOSED',
      `${path} holds a secret but has mode ${(mode & 0o777).toString(8).padStart(4, '0')}, so others on this machine may have read or changed it; ` +
        `if they did not, run: chmod 600 ${path}`,
      { fields: { path } },
    )
  }
  return readFileSync(path, 'utf8')
}

function modeOf(path: string): number | undefined {
  try {
    // lstat: a link to somewhere else is not the file that we wrote.
    const stats = lstatSync(path)
    if (!stats.isFile()) throw new LateenError('PRIVATE_FILE_EXPOSED', `${path} is not a regular file; move it away`, { fields: { path } })
    return stats.mode
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Writes beside the file, flushes, renames. The folder is made (0700) when it is not there. */
export function writePrivateFile(path: string, content: string, mode = 0o600): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = openSync(temporary, 'wx', mode)
    try {
      writeSync(file, content)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** The same without blocking, and the folder flushed too, so that the rename itself survives a power cut: for what many wait for at once. */
export async function writePrivateFileDurably(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await using file = await open(temporary, 'wx', 0o600)
    await file.writeFile(content)
    await file.sync()
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await rename(temporary, path)
  await using folder = await open(dirname(path), 'r')
  await folder.sync()
}
