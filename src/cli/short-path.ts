// Paths as a person at `cwd` would type them: files below it without the folder, others as they are.
import path from 'node:path'

export function shortPath(file: string, cwd: string): string {
  const relative = path.relative(cwd, path.resolve(cwd, file))
  return relative === '' || relative.startsWith('..') ? file : relative
}
