// Which processes run, by what is on their command line. Used to signal one part of a mesh and to prove that nothing is left of it.
import { execFileSync } from 'node:child_process'

export interface ListedProcess {
  readonly pid: number
  readonly args: string
}

/** Every process whose command line contains `text`; zombies do not count. */
export function processesWith(text: string): readonly ListedProcess[] {
  const table = execFileSync('ps', ['-eo', 'pid=,stat=,args='], { encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 })
  return table.split('\n').flatMap((line) => {
    const [, pid = '', stat = '', args = ''] = /^ *(\d+) +(\S+) +(.*)$/.exec(line) ?? []
    return args.includes(text) && !stat.startsWith('Z') ? [{ pid: Number(pid), args }] : []
  })
}
