// The wishes of the user of a standalone mesh: a directory of files, and what `lateen apply` and `lateen delete` did on top of it.
// Read by the composition root, which hands `state` to compile and shows `findings`.
import type { CheckOptions } from '../../api/check-options.ts'
import type { Finding } from '../../api/finding.ts'
import type { AnyApiObject } from '../../api/kinds.ts'
import { formatRef, type ObjectRef, refOf } from '../../api/object-meta.ts'
import { readYamlSteps } from '../../api/read-yaml.ts'
import { NO_SECRETS, type SecretObjects, secretsIn } from '../../api/secret-object.ts'
import type { Clock } from '../../base/clock.ts'
import { canonicalJson } from '../../base/content-hash.ts'
import { fail, type Result, succeed } from '../../base/result.ts'
import { type ReadonlyWatchable, Watchable } from '../../base/watchable.ts'
import { DirectorySource } from './directory.ts'
import { type FileRecord, nameOf, PAUSE_AFTER_CHARACTERS } from './file-record.ts'
import { emptyKubeState, type KubeState, nextKubeStateSteps } from './kube-state.ts'
import { locateSteps } from './locate.ts'
import { formatPlace, mergeSteps } from './merge.ts'
import { Overlay } from './overlay.ts'
import { withPauses } from './with-pauses.ts'

export interface IngestState {
  readonly state: KubeState
  readonly findings: readonly Finding[]
}

export interface ConfigSourceOptions {
  readonly folder: string
  /** Where applied objects are kept. */
  readonly overlayFolder: string
  readonly check: CheckOptions
  readonly clock: Clock
}

export interface AppliedChange {
  readonly object: ObjectRef
  readonly change: 'created' | 'configured' | 'unchanged'
}

export interface ApplyOutcome {
  /** Empty when the text has errors: all of it is taken, or nothing. */
  readonly changes: readonly AppliedChange[]
  readonly findings: readonly Finding[]
}

/** A few milliseconds of work each. */
const PAUSE_AFTER_MERGED = 5000
const PAUSE_AFTER_LOCATED = 5
const PAUSE_AFTER_COMPARED = 100

export class ConfigSource {
  readonly #directory: DirectorySource
  readonly #overlay: Overlay
  readonly #options: ConfigSourceOptions
  readonly #current = new Watchable<IngestState>({ state: emptyKubeState, findings: [] })
  readonly #secrets = new Watchable<SecretObjects>(NO_SECRETS)
  /** By file. */
  #secretsOf: ReadonlyMap<string, { readonly record: FileRecord; readonly secrets: SecretObjects }> = new Map()
  #unwatch: readonly (() => void)[] = []
  /** The last publishing that was asked for. */
  #published: Promise<void> = Promise.resolve()
  /** One that has not begun yet will see what comes now, too. */
  #isPublishingAhead = false

  constructor(options: ConfigSourceOptions) {
    this.#options = options
    this.#directory = new DirectorySource(options)
    this.#overlay = new Overlay(options.overlayFolder, options.check)
  }

  get current(): ReadonlyWatchable<IngestState> {
    return this.#current
  }

  /** Kubernetes Secrets of the directory, which are never among the objects. */
  get secrets(): ReadonlyWatchable<SecretObjects> {
    return this.#secrets
  }

  /** Resolves with the first whole reading published. */
  async start(): Promise<void> {
    await this.#overlay.load()
    await this.#directory.start()
    this.#unwatch = [this.#directory.records.watch(() => this.#publish()), this.#overlay.applied.watch(() => this.#publish())]
    this.#publish()
    await this.#published
  }

  stop(): void {
    for (const unwatch of this.#unwatch) unwatch()
    this.#directory.stop()
  }

  /** Looks at the directory now, for callers that have just written a file and want to see it. */
  async rescan(): Promise<void> {
    await this.#directory.rescan()
    await this.#published
  }

  /** Findings about objects of the present state, with the place of each field where a file has it. */
  locate(findings: readonly Finding[]): Promise<readonly Finding[]> {
    return withPauses(locateSteps(findings, this.#current.value.state, this.#directory.records.value), PAUSE_AFTER_LOCATED)
  }

  async apply(text: string, name: string): Promise<ApplyOutcome> {
    const read = await withPauses(readYamlSteps(text, name, { ...this.#options.check, refusesSecrets: true }), PAUSE_AFTER_CHARACTERS)
    if (read.broken) return { changes: [], findings: read.findings }
    const appliedMs = this.#options.clock.nowMs()
    const changes = await withPauses(this.#changesOf(read.objects), PAUSE_AFTER_COMPARED)
    const changed = read.objects.filter((_object, index) => changes[index]?.change !== 'unchanged')
    const findings = Map.groupBy(read.findings, ({ object }) => (object === undefined ? '' : formatRef(object)))
    await this.#overlay.put(
      changed.map(({ source: _source, ...object }) => ({
        ...{ object, appliedMs },
        findings: (findings.get(formatRef(refOf(object))) ?? []).map(withoutPosition),
      })),
    )
    await this.#published
    return { changes, findings: read.findings }
  }

  /** Takes back what was applied; the value is the place of the definition that is in force again, if a file has one. An object that
   *  only a file defines is refused, because the next reading would bring it back. */
  async delete(ref: ObjectRef): Promise<Result<string | undefined>> {
    const place = this.#definedAt(ref)
    const applied = [...this.#overlay.applied.value.values()].find(({ object }) => sameRef(refOf(object), ref))
    if (applied !== undefined) {
      await this.#overlay.remove(applied.object)
      await this.#published
      return succeed(place)
    }
    if (place !== undefined) return fail('', `${formatRef(ref)} is defined at ${place}; remove it there`)
    return fail('', `there is no ${formatRef(ref)}`)
  }

  #definedAt(ref: ObjectRef): string | undefined {
    for (const record of this.#directory.records.value.values()) {
      const defined = record.objects.find((object) => sameRef(refOf(object), ref))
      if (defined !== undefined) return formatPlace(defined.source)
    }
    return undefined
  }

  *#changesOf(objects: readonly AnyApiObject[]): Generator<number, readonly AppliedChange[]> {
    const changes: AppliedChange[] = []
    for (const object of objects) {
      changes.push({ object: refOf(object), change: this.#changeOf(object) })
      yield 1
    }
    return changes
  }

  #changeOf(object: AnyApiObject): AppliedChange['change'] {
    const maps: Readonly<Record<string, ReadonlyMap<string, AnyApiObject>>> = this.#current.value.state.objects
    const before = maps[object.kind]?.get(`${object.metadata.namespace}/${object.metadata.name}`)
    if (before === undefined) return 'created'
    return meaningOf(before) === meaningOf(object) ? 'unchanged' : 'configured'
  }

  /** One after the other, in pieces: a hundred thousand objects are half a second of work. */
  #publish(): void {
    if (this.#isPublishingAhead) return
    this.#isPublishingAhead = true
    this.#published = this.#published.then(async () => {
      this.#isPublishingAhead = false
      const merged = await withPauses(mergeSteps(this.#directory.records.value.values(), this.#overlay.applied.value), PAUSE_AFTER_MERGED)
      const state = await withPauses(nextKubeStateSteps(this.#current.value.state, merged.objects), PAUSE_AFTER_MERGED)
      this.#readSecrets()
      this.#current.set({ state, findings: merged.findings })
    })
  }

  #readSecrets(): void {
    const before = this.#secretsOf
    const now = new Map<string, { readonly record: FileRecord; readonly secrets: SecretObjects }>()
    for (const [file, record] of this.#directory.records.value) {
      const known = before.get(file)
      const read = known?.record === record ? known.secrets : secretsIn(record.text, this.#options.check.defaultNamespace)
      // A slip takes no certificate away.
      now.set(file, { record, secrets: read ?? known?.secrets ?? NO_SECRETS })
    }
    this.#secretsOf = now
    const found = new Map([...now.values()].reverse().flatMap(({ secrets }) => [...secrets]))
    if (found.size > 0 || this.#secrets.value.size > 0) this.#secrets.set(found)
  }
}

/** What a user wrote, without where and without what others added. */
function meaningOf(object: AnyApiObject): string {
  const { name, namespace, labels, annotations } = object.metadata
  return canonicalJson([nameOf(object), object.apiVersion, { name, namespace, labels, annotations }, object.spec])
}

function sameRef(a: ObjectRef | undefined, b: ObjectRef): boolean {
  return a !== undefined && a.kind === b.kind && a.namespace === b.namespace && a.name === b.name
}

function withoutPosition(found: Finding): Finding {
  const { position: _position, ...rest } = found
  return rest
}
