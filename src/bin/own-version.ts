// The version of this installation: the nearest package.json above the running file, from the sources as from dist.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

export function ownVersion(): string {
  for (let folder = import.meta.dirname; ; folder = path.dirname(folder)) {
    const file = path.join(folder, 'package.json')
    if (existsSync(file)) {
      const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
      return typeof value === 'object' && value !== null && 'version' in value ? String(value.version) : 'unknown'
    }
    if (folder === path.dirname(folder)) return 'unknown'
  }
}
