// The wishes of the user of a standalone mesh: a directory of files, and what `lateen apply` and `lateen delete` did on top of it.
// Read by the composition root, which hands `state` to compile and shows `findings`.
import type { CheckOptions } from '../../api/check-options.ts'
import type { Finding } from '../../api/finding.ts'
import type { AnyApiObject } from '../../api/kinds.ts'
import { formatRef, type ObjectRef, refOf } from '../../api/object-meta.ts'
import { readYamlSteps } from '../../api/read-yaml.ts'
import type { Clock } from '../../base/clock.ts'
import { canonicalJson } from '../../base/content-hash.ts'
import { fail, type Result, succeed } from '../../base/result.ts'
import { type ReadonlyWatchable, Watchable } from '../../base/watchable.ts'
import { DirectorySource } from './directory.ts'
import { nameOf, PAUSE_AFTER_CHARACTERS } from './file-record.ts'
import { emptyKubeState, type KubeState, nextKubeState } from './kube-state.ts'
import { locateFindings } from './locate.ts'
import { formatPlace, mergeSources } from './merge.ts'
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

export class ConfigSource {
  readonly #directory: DirectorySource
  readonly #overlay: Overlay
  readonly #options: ConfigSourceOptions
  readonly #current = new Watchable<IngestState>({ state: emptyKubeState, findings: [] })
  #unwatch: readonly (() => void)[] = []

  constructor(options: ConfigSourceOptions) {
    this.#options = options
    this.#directory = new DirectorySource(options)
    this.#overlay = new Overlay(options.overlayFolder, options.check)
  }

  get current(): ReadonlyWatchable<IngestState> {
    return this.#current
  }

  /** Resolves with the first whole reading published. */
  async start(): Promise<void> {
    await this.#overlay.load()
    await this.#directory.start()
    this.#unwatch = [this.#directory.records.watch(() => this.#publish()), this.#overlay.applied.watch(() => this.#publish())]
    this.#publish()
  }

  stop(): void {
    for (const unwatch of this.#unwatch) unwatch()
    this.#directory.stop()
  }

  /** Looks at the directory now, for callers that have just written a file and want to see it. */
  rescan(): Promise<void> {
    return this.#directory.rescan()
  }

  /** Findings about objects of the present state, with the place of each field where a file has it. */
  locate(findings: readonly Finding[]): readonly Finding[] {
    return locateFindings(findings, this.#current.value.state, this.#directory.records.value)
  }

  async apply(text: string, name: string): Promise<ApplyOutcome> {
    const read = await withPauses(readYamlSteps(text, name, this.#options.check), PAUSE_AFTER_CHARACTERS)
    if (read.broken) return { changes: [], findings: read.findings }
    const appliedMs = this.#options.clock.nowMs()
    const changes = read.objects.map((object) => ({ object: refOf(object), change: this.#changeOf(object) }))
    const changed = read.objects.filter((_object, index) => changes[index]?.change !== 'unchanged')
    await this.#overlay.put(
      changed.map(({ source: _source, ...object }) => ({
        object,
        appliedMs,
        findings: read.findings.filter((found) => sameRef(found.object, refOf(object))).map(withoutPosition),
      })),
    )
    return { changes, findings: read.findings }
  }

  /** Takes back what was applied; the value is the place of the definition that is in force again, if a file has one. An object that
   *  only a file defines is refused, because the next reading would bring it back. */
  async delete(ref: ObjectRef): Promise<Result<string | undefined>> {
    const place = this.#definedAt(ref)
    const applied = [...this.#overlay.applied.value.values()].find(({ object }) => sameRef(refOf(object), ref))
    if (applied !== undefined) {
      await this.#overlay.remove(applied.object)
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

  #changeOf(object: AnyApiObject): AppliedChange['change'] {
    const maps: Readonly<Record<string, ReadonlyMap<string, AnyApiObject>>> = this.#current.value.state.objects
    const before = maps[object.kind]?.get(`${object.metadata.namespace}/${object.metadata.name}`)
    if (before === undefined) return 'created'
    return meaningOf(before) === meaningOf(object) ? 'unchanged' : 'configured'
  }

  #publish(): void {
    const merged = mergeSources(this.#directory.records.value.values(), this.#overlay.applied.value)
    const state = nextKubeState(this.#current.value.state, merged.objects)
    this.#current.set({ state, findings: merged.findings })
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
