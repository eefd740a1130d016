// The files of a plugged-in CA from a folder, all of one generation. Called by authority.ts, at the start and whenever it looks again.
// Kubernetes swaps a mounted Secret by one symbolic link (`..data`): reading through where it points now gives one generation. Elsewhere
// the folder is read between two equal looks at it. Invariant: never a mixture of what was there before and after a change.
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode } from '../base/errors.ts'
import { fail, type Result, succeed } from '../base/result.ts'
import { CA_FILE_NAMES, type CaFiles, MAX_CA_FILE_BYTES } from './ca-set.ts'

/** Undefined: there is no such folder, or nothing of a CA in it. */
export function readCacertsFolder(folder: string): Result<CaFiles | undefined> {
  try {
    const place = generationOf(folder)
    if (place === undefined) return succeed(undefined)
    const before = lookAt(place)
    const files = new Map<string, Uint8Array>()
    for (const { name, size, mode } of before) {
      if (/key/.test(name) && (mode & 0o007) !== 0) {
        return fail(name, `can be read or changed by everybody on this machine; run: chmod 600 ${join(folder, name)}`)
      }
      if (size > MAX_CA_FILE_BYTES) return fail(name, `has ${size} bytes; at most ${MAX_CA_FILE_BYTES} are read`)
      files.set(name, readFileSync(join(place, name)))
    }
    if (JSON.stringify(lookAt(place)) !== JSON.stringify(before)) return fail('', `${folder} is being written to`)
    return succeed(files.size === 0 ? undefined : files)
  } catch (error) {
    return fail('', `${folder} cannot be read (${errorCode(error) ?? String(error)})`)
  }
}

function generationOf(folder: string): string | undefined {
  for (const path of [join(folder, '..data'), folder]) {
    try {
      return realpathSync(path)
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
    }
  }
  return undefined
}

interface Look {
  readonly name: string
  readonly size: number
  readonly mode: number
  readonly id: string
}

function lookAt(place: string): readonly Look[] {
  const names = readdirSync(place).filter((name) => CA_FILE_NAMES.includes(name))
  return names.sort().map((name) => {
    const { size, mode, mtimeNs, ino } = statSync(join(place, name), { bigint: true })
    return { name, size: Number(size), mode: Number(mode), id: `${ino} ${mtimeNs}` }
  })
}
