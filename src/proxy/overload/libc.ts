// The two calls of libc that give memory back and that Node does not offer, by koffi. Used by collect-garbage.ts and give-back.ts.
// Invariant: where there is no koffi, or libc has no such call (musl has no malloc_trim), the answer is undefined and nothing is done.
import { createRequire } from 'node:module'

export interface Libc {
  /** glibc's `malloc_trim`: free pages of every arena go back to the system. */
  trim(): void
  /** `madvise(MADV_DONTNEED)`: of a mapped file, pages leave this process and stay in the system's cache. */
  forget(address: number, bytes: number): void
}

/** koffi's own types describe far more than the calls that are made here. */
interface Koffi {
  load(path: string | null): { func(signature: string): (...args: number[]) => number }
}

const MADV_DONTNEED = 4

let loaded: { readonly libc: Libc | undefined } | undefined

export function libc(): Libc | undefined {
  loaded ??= { libc: load() }
  return loaded.libc
}

function load(): Libc | undefined {
  try {
    const require = createRequire(import.meta.url)
    const koffi: Koffi = require('koffi')
    const library = koffi.load(null)
    const trim = library.func('int malloc_trim(size_t pad)')
    const advise = library.func('int madvise(uintptr_t address, size_t bytes, int advice)')
    return { trim: () => void trim(0), forget: (address, bytes) => void advise(address, bytes, MADV_DONTNEED) }
  } catch {
    return undefined
  }
}
