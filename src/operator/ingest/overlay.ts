// Objects that came over the API (`lateen apply`) and not from a file of the directory, kept in a folder so that they outlive a restart.
// Used by config-source.ts. Invariant: what is in memory is on disk first; a file is either whole or absent (written aside, then renamed).
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkApiObject } from '../../api/check-object.ts'
import type { CheckOptions } from '../../api/check-options.ts'
import type { AnyApiObject } from '../../api/kinds.ts'
import { isRecord } from '../../api/record.ts'
import { type ReadonlyWatchable, Watchable } from '../../base/watchable.ts'
import { nameOf } from './file-record.ts'
import type { AppliedObject } from './merge.ts'

export type AppliedObjects = ReadonlyMap<string, AppliedObject>

export class Overlay {
  readonly #folder: string
  readonly #check: CheckOptions
  readonly #applied = new Watchable<AppliedObjects>(new Map())

  constructor(folder: string, check: CheckOptions) {
    this.#folder = folder
    this.#check = check
  }

  get applied(): ReadonlyWatchable<AppliedObjects> {
    return this.#applied
  }

  /** Reads what an earlier run kept. A file that is no longer readable is left alone: its object is simply not there. */
  async load(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const applied = new Map<string, AppliedObject>()
    for (const name of (await readdir(this.#folder)).sort()) {
      if (!name.endsWith('.json')) continue
      const kept = await this.#read(join(this.#folder, name))
      if (kept !== undefined) applied.set(nameOf(kept.object), kept)
    }
    this.#applied.set(applied)
  }

  /** Puts the objects in place, all with one change of the watchable. */
  async put(objects: readonly AppliedObject[]): Promise<void> {
    for (const { object, appliedMs } of objects) {
      const path = this.#pathOf(object)
      await writeFile(`${path}.new`, JSON.stringify({ appliedMs, object: withoutSource(object) }), { mode: 0o600 })
      await rename(`${path}.new`, path)
    }
    const next = new Map(this.#applied.value)
    for (const applied of objects) next.set(nameOf(applied.object), applied)
    this.#applied.set(next)
  }

  async remove(object: AnyApiObject): Promise<void> {
    await rm(this.#pathOf(object), { force: true })
    const next = new Map(this.#applied.value)
    if (next.delete(nameOf(object))) this.#applied.set(next)
  }

  async #read(path: string): Promise<AppliedObject | undefined> {
    const kept = parseJson(await readFile(path, 'utf8'))
    if (!isRecord(kept) || typeof kept.appliedMs !== 'number') return undefined
    const { object, findings } = checkApiObject(kept.object, () => undefined, undefined, this.#check)
    return object === undefined ? undefined : { object, findings, appliedMs: kept.appliedMs }
  }

  /** Names are DNS names (checked), so none of them leads out of the folder. */
  #pathOf(object: AnyApiObject): string {
    return join(this.#folder, `${object.kind}_${object.metadata.namespace}_${object.metadata.name}.json`)
  }
}

function withoutSource(object: AnyApiObject): Omit<AnyApiObject, 'source'> {
  const { source: _source, ...rest } = object
  return rest
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
