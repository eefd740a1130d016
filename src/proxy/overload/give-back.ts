// Gives back what the process holds and does not use, without touching what it uses: free pages of the allocator, and pages of Node's
// own program that were read once. Called by memory-return.ts, and under pressure.
// Of a sidecar's first 80 MB, 53 are pages of files: the parser, the compilers, OpenSSL's tables, what a start runs through once and the
// kernel maps sixteen pages at a time. They stay in the system's cache and come back by a minor fault where they are needed.
// Invariant: only a mapping with no page of its own is forgotten. A page that was written (relocations, a debugger's breakpoint, an eBPF
// probe) would come back as the file has it: a crash, or a probe that is gone.
import { readFile } from 'node:fs/promises'
import { libc } from './libc.ts'

export interface MappedFile {
  readonly address: number
  readonly bytes: number
}

const MAPS = '/proc/self/smaps'

export async function giveMemoryBack(): Promise<void> {
  libc()?.trim()
  await forgetPages()
}

/** Only the pages of the program: for whoever has had the allocator trimmed already. */
export async function forgetPages(): Promise<void> {
  const forget = libc()?.forget
  if (forget === undefined) return
  // Read each time: who put a probe somewhere since the last time must not lose it.
  const maps = await readFile(MAPS, 'latin1').catch(() => '')
  for (const { address, bytes } of forgettable(maps)) forget(address, bytes)
}

/** Files mapped for reading and running, with no page that differs from the file (proc(5), `smaps`). */
export function forgettable(smaps: string): readonly MappedFile[] {
  return smaps.split(NEXT_MAPPING).flatMap((entry) => {
    const [, from, to] = READ_ONLY_FILE.exec(entry) ?? []
    if (from === undefined || to === undefined || !NOTHING_WRITTEN.every((line) => line.test(entry))) return []
    const address = Number.parseInt(from, 16)
    return [{ address, bytes: Number.parseInt(to, 16) - address }]
  })
}

const NEXT_MAPPING = /^(?=[0-9a-f]+-[0-9a-f]+ )/m
/** Start, end, `r-xp` or `r--p`, offset, device, inode other than 0, path. */
const READ_ONLY_FILE = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ [1-9]\d* +\//
const NOTHING_WRITTEN = [/^Anonymous: +0 kB$/m, /^Private_Dirty: +0 kB$/m, /^Swap: +0 kB$/m]
