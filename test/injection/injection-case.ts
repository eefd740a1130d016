// A case of injection as a file: a pod, what surrounds it, and what it shall become.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import type { Result } from '../../src/base/result.ts'
import { type InjectedPod, injectPod } from '../../src/webhook/inject.ts'
import { injectorConfigFrom } from '../../src/webhook/injector-config.ts'
import { type Json, type Pod, readPod } from '../../src/webhook/pod.ts'

export const CASES = path.join(import.meta.dirname, 'cases')
export const NAMESPACE = 'shop'
export const VERSION = '0.0.0-test'

export interface InjectionCase {
  readonly name: string
  readonly about: string
  readonly config: Json
  readonly meshDefaults: Json
  readonly nativeSidecars: boolean
  readonly pod: unknown
}

export function readCases(): readonly InjectionCase[] {
  const names = readdirSync(CASES).filter((name) => name.endsWith('.in.yaml'))
  return names.sort().map((file) => {
    const given = parse(readFileSync(path.join(CASES, file), 'utf8'))
    return { config: {}, meshDefaults: {}, nativeSidecars: true, ...given, name: file.replace('.in.yaml', '') }
  })
}

export function podOf({ pod }: InjectionCase): Pod {
  const read = readPod(pod)
  if (!read.ok) throw new Error(JSON.stringify(read.problems))
  return read.value
}

export function inject(each: InjectionCase, pod: Pod = podOf(each)): Result<InjectedPod> {
  const config = injectorConfigFrom(each.config)
  if (!config.ok) throw new Error(JSON.stringify(config.problems))
  const { meshDefaults, nativeSidecars } = each
  return injectPod({ pod, namespace: NAMESPACE, config: config.value, meshDefaults, nativeSidecars, version: VERSION })
}
