// What the control plane keeps in its state folder beside the CA's files: its ports, the instances that were ready, the root for others
// to read. Everything here can be made anew, so damage is not an error.
import { join } from 'node:path'
import { writePrivateFile } from '../../ca/private-file.ts'
import type { HostPort } from '../../model/address-plan.ts'
import { readJson } from '../../standalone/state-folder.ts'

export interface RecordedControlPlane {
  readonly pid: number
  readonly version: string
  readonly xds: HostPort
  readonly monitoring: HostPort
}

export interface StateFiles {
  /** The ports of the run before: proxies look for the control plane where it was. */
  readonly recorded: { readonly xds: number; readonly monitoring: number }
  readonly ready: ReadonlySet<string>
  record(controlPlane: RecordedControlPlane): void
  recordReady(ready: ReadonlySet<string>): void
  recordRoot(pem: string): void
}

export function openStateFiles(folder: string): StateFiles {
  const recordFile = join(folder, 'control-plane.json')
  const readyFile = join(folder, 'ready.json')
  const before = readJson(recordFile)
  const ready = readJson(readyFile)
  return {
    recorded: { xds: portIn(before, 'xds'), monitoring: portIn(before, 'monitoring') },
    ready: new Set(Array.isArray(ready) ? ready.filter((key) => typeof key === 'string') : []),
    record: (controlPlane) => writePrivateFile(recordFile, `${JSON.stringify(controlPlane, null, 2)}\n`),
    recordReady: (now) => writePrivateFile(readyFile, `${JSON.stringify([...now].sort())}\n`),
    // Sidecars verify the control plane with it before they have a certificate (--ca-root).
    recordRoot: (pem) => writePrivateFile(join(folder, 'root.pem'), pem),
  }
}

/** 0 when there is none. */
function portIn(record: unknown, name: string): number {
  const address: unknown =
    typeof record === 'object' && record !== null ? Object.entries(record).find(([key]) => key === name)?.[1] : undefined
  return typeof address === 'object' && address !== null && 'port' in address && typeof address.port === 'number' ? address.port : 0
}
