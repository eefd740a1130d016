// The files of a directory, read and watched. Used by config-source.ts.
// Invariant: what is published is one whole reading of the directory, never half of one; no error of the file system escapes, it
// becomes a Finding of its file. fs.watch only says that something changed: what changed is found by comparing times and sizes,
// and a slow regular look covers file systems on which fs.watch is deaf.
import { type FSWatcher, watch } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CheckOptions } from '../../api/check-options.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorCode, errorMessage, ignore } from '../../base/errors.ts'
import { type ReadonlyWatchable, Watchable } from '../../base/watchable.ts'
import { type FileRecord, readFileRecord, unreadableFileRecord } from './file-record.ts'

/** File -> what is known of it. A new map for every change, the same one for none. */
export type FileRecords = ReadonlyMap<string, FileRecord>

export interface DirectoryOptions {
  readonly folder: string
  readonly check: CheckOptions
  readonly clock: Clock
}

/** An editor writes, renames and removes within a few milliseconds: one reading answers all of it. */
const SETTLE_MS = 50
const REGULAR_LOOK_MS = 5000

export class DirectorySource {
  readonly #options: DirectoryOptions
  readonly #records = new Watchable<FileRecords>(new Map())
  /** File -> time, size and inode of the text that was read last. */
  readonly #seen = new Map<string, string>()
  #watcher: FSWatcher | undefined
  #timer: Timer | undefined
  #reading: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(options: DirectoryOptions) {
    this.#options = options
  }

  get records(): ReadonlyWatchable<FileRecords> {
    return this.#records
  }

  /** Resolves when the directory has been read once; a directory that cannot be listed rejects. */
  async start(): Promise<void> {
    await readdir(this.#options.folder)
    await this.rescan()
    this.#watcher = watch(this.#options.folder, { recursive: true }, () => this.#lookAfter(SETTLE_MS))
    // A watcher that dies (its folder is removed, no inotify watches left) leaves the regular look.
    this.#watcher.on('error', () => this.#lookAfter(SETTLE_MS))
    // What changed between the first reading and the watch.
    this.#lookAfter(SETTLE_MS)
  }

  stop(): void {
    this.#stopped = true
    this.#watcher?.close()
    this.#timer?.cancel()
  }

  /** Reads what changed since the last reading. Calls queue up, so that readings never overlap. */
  rescan(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#readChanged())
    return this.#reading
  }

  #lookAfter(delayMs: number): void {
    if (this.#stopped) return
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(
      delayMs,
      () =>
        ignore(
          this.rescan().then(() => this.#lookAfter(REGULAR_LOOK_MS)),
          'readings do not reject',
        ),
      { background: true },
    )
  }

  async #readChanged(): Promise<void> {
    const before = this.#records.value
    const files = await listFiles(this.#options.folder)
    // The folder itself is away, as during a checkout: not the same as being empty.
    if (files === undefined) return
    const after = new Map<string, FileRecord>()
    for (const file of files) {
      const record = await this.#readFile(file, before.get(file))
      if (record !== undefined) after.set(file, record)
    }
    for (const file of this.#seen.keys()) if (!after.has(file)) this.#seen.delete(file)
    if (!this.#stopped && !sameRecords(before, after)) this.#records.set(after)
  }

  /** The record as it is when the file has not changed; undefined when the file is gone. */
  async #readFile(file: string, previous: FileRecord | undefined): Promise<FileRecord | undefined> {
    try {
      const { mtimeNs, mtimeMs, size, ino } = await stat(file, { bigint: true })
      const mark = `${mtimeNs}/${size}/${ino}`
      if (previous !== undefined && this.#seen.get(file) === mark) return previous
      const text = await readFile(file, 'utf8')
      this.#seen.set(file, mark)
      return await readFileRecord(previous, file, text, Number(mtimeMs), this.#options.check)
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined
      this.#seen.delete(file)
      const made = unreadableFileRecord(previous, file, errorMessage(error))
      return previous !== undefined && previous.findings[0]?.message === made.findings[0]?.message ? previous : made
    }
  }
}

function sameRecords(before: FileRecords, after: FileRecords): boolean {
  if (before.size !== after.size) return false
  for (const [file, record] of after) if (before.get(file) !== record) return false
  return true
}

/** Configuration files below the folder in the order of their names; undefined when the folder cannot be listed. */
async function listFiles(folder: string): Promise<readonly string[] | undefined> {
  const found: string[] = []
  try {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && (await isDirectory(path)))
      if (isFolder) found.push(...((await listFiles(path)) ?? []))
      else if (/\.(?:ya?ml|json)$/.test(entry.name)) found.push(path)
    }
  } catch {
    return undefined
  }
  return found.sort()
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}
