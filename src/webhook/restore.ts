// An injected pod as it was before: injection always starts from there, so that doing it twice (another webhook changed the pod after us, a
// file was injected and is applied, a new version injects anew) gives what doing it once gives. Pure.
// Invariant: only what injection wrote down as its own is taken away; what others changed since stays.
import { isRecord } from '../api/record.ts'
import { errorMessage } from '../base/errors.ts'
import { fail, type Result, succeed } from '../base/result.ts'
import type { Container, Json, Pod, Texts } from './pod.ts'
import { STATUS_ANNOTATION } from './pod-labels.ts'
import { AGENT_PATH } from './probes.ts'

export const RESTORE_ANNOTATION = 'lateen.dev/injected'
export const OVERRIDES_ANNOTATION = 'proxy.istio.io/overrides'

/** Istio's form: what to take out of the pod, by name. */
export interface InjectionStatus {
  readonly initContainers: readonly string[]
  readonly containers: readonly string[]
  readonly volumes: readonly string[]
  readonly imagePullSecrets: readonly string[]
  readonly revision: string
}

/** What was there before, of what is not taken out but changed. Null: nothing. */
export interface Restore {
  readonly labels?: TextChanges
  readonly annotations?: TextChanges
  /** Container -> probe fields. */
  readonly probes?: Readonly<Record<string, Json>>
  /** Container -> names of variables. */
  readonly env?: Readonly<Record<string, readonly string[]>>
  readonly securityContext?: Json | null
}

export function restorePod(pod: Pod): Result<Pod> {
  const annotations = pod.metadata.annotations ?? {}
  const [statusText, restoreText, overridesText] = [STATUS_ANNOTATION, RESTORE_ANNOTATION, OVERRIDES_ANNOTATION].map(
    (key) => annotations[key],
  )
  if (statusText === undefined) return succeed(pod)
  const [status, restore, overrides] = [readJson(statusText), readJson(restoreText ?? '{}'), readJson(overridesText ?? '{}')]
  if (status === undefined || restore === undefined || overrides === undefined)
    return fail(
      `annotation ${STATUS_ANNOTATION}`,
      'cannot be read, so what an earlier injection added is not known; remove the annotation and what it added',
    )
  // Written by inject.ts, or refused by the readers below where it looks different.
  const written = restore as Restore
  const names = (key: string): ReadonlySet<unknown> => new Set(Array.isArray(status[key]) ? status[key] : [])
  const keep = <T extends Json>(list: readonly T[] | undefined, key: string): readonly T[] =>
    (list ?? []).filter((each) => !names(key).has(each.name))
  const clean = (list: readonly Container[]): readonly Container[] => list.map((each) => restoreContainer(each, written))
  const { initContainers, volumes, imagePullSecrets, securityContext, ...spec } = pod.spec
  const context = written.securityContext === undefined ? securityContext : (written.securityContext ?? undefined)
  return succeed({
    ...pod,
    metadata: withoutUndefined({
      ...pod.metadata,
      labels: restoreTexts(pod.metadata.labels ?? {}, written.labels ?? {}),
      annotations: restoreTexts(annotations, {
        ...written.annotations,
        [STATUS_ANNOTATION]: null,
        [RESTORE_ANNOTATION]: null,
        [OVERRIDES_ANNOTATION]: null,
      }),
    }),
    spec: {
      ...spec,
      containers: [...clean(keep(pod.spec.containers, 'containers')), ...listed(overrides.containers)],
      ...presentList('initContainers', [...clean(keep(initContainers, 'initContainers')), ...listed(overrides.initContainers)]),
      ...presentList('volumes', keep(volumes, 'volumes')),
      ...presentList('imagePullSecrets', keep(imagePullSecrets, 'imagePullSecrets')),
      ...(context === undefined ? {} : { securityContext: context }),
    },
  })
}

/** Label or annotation -> its new text, or null where it goes. */
export type TextChanges = Readonly<Record<string, string | null>>

/** What is changed, as it was. Sorted, because the API server sorts what it stores: the same pod gives the same text. */
export function originalTexts(texts: Texts, changes: TextChanges): TextChanges {
  const keys = Object.keys(changes).filter((key) => texts[key] !== changes[key])
  return Object.fromEntries(keys.sort().map((key) => [key, texts[key] ?? null]))
}

export function applyChanges(texts: Texts, changes: TextChanges): Texts {
  return Object.fromEntries(Object.entries({ ...texts, ...changes }).filter((entry): entry is [string, string] => entry[1] !== null))
}

export function writeRestore(restore: Restore): string {
  return JSON.stringify(Object.fromEntries(Object.entries(restore).filter(([, each]) => each === null || Object.keys(each).length > 0)))
}

function readJson(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch (error) {
    // Said by the caller, with what to do.
    return errorMessage(error) === '' ? {} : undefined
  }
}

function listed(value: unknown): readonly Container[] {
  return Array.isArray(value) ? value.filter((each): each is Container => isRecord(each) && typeof each.name === 'string') : []
}

function restoreContainer(container: Container, { probes, env }: Restore): Container {
  const originals = probes?.[container.name] ?? {}
  const back = Object.entries(originals).filter(([field]) => asksTheAgent(container[field]))
  const names = new Set(env?.[container.name] ?? [])
  const { env: variables, ...rest } = container
  const left = (variables ?? []).filter(({ name }) => !names.has(name))
  return { ...rest, ...Object.fromEntries(back), ...(left.length === 0 ? {} : { env: left }) }
}

/** A probe or lifecycle that somebody has changed since is theirs. */
function asksTheAgent(field: unknown): boolean {
  if (!isRecord(field)) return false
  const paths = [field, field.preStop, field.postStart].flatMap((each) =>
    isRecord(each) && isRecord(each.httpGet) ? [each.httpGet.path] : [],
  )
  return paths.some((path) => typeof path === 'string' && AGENT_PATH.test(path))
}

function restoreTexts(texts: Texts, before: TextChanges): Texts | undefined {
  const merged = applyChanges(texts, before)
  return Object.keys(merged).length === 0 ? undefined : merged
}

function presentList<Key extends string, T>(key: Key, list: readonly T[]): { readonly [Name in Key]?: readonly T[] } {
  // One key, whose type is the parameter's: TypeScript widens a computed key to string.
  return list.length === 0 ? {} : ({ [key]: list } as { readonly [Name in Key]?: readonly T[] })
}

function withoutUndefined<T extends object>(value: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  // Exactly the keys that have no value are left out.
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>
  }
}
