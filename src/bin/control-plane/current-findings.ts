// The Findings that somebody asks for: of reading, compiling and analysis, at their places. Worked out when they are asked for, once per
// round of the loop, in slices. Used by status-api.ts.
// Invariant: an answer is bounded, whatever users wrote: the gravest first, and how many there are in all.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Finding, Severity } from '../../api/finding.ts'
import { formatRef, type ObjectRef } from '../../api/object-meta.ts'
import type { ConfigSource } from '../../operator/ingest/config-source.ts'
import type { CompileClient } from './compile-client.ts'
import { readPage } from './finding-pages.ts'
import type { CurrentMesh, MeshLoop } from './mesh-loop.ts'

export interface FindingSources {
  readonly loop: MeshLoop
  readonly source: Pick<ConfigSource, 'locate'>
  readonly compiler: Pick<CompileClient, 'analyze'>
}

export interface ShownFindings {
  readonly findings: readonly Finding[]
  /** How many there are, shown or not. */
  readonly total: number
}

/** More than anybody reads; `lateen analyze` has them all. */
const MAX_SHOWN = 1000
const SLICE = 250
const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info']

/** For one question after the other about the same mesh the work is done once. */
export function shownFindings(sources: FindingSources): () => Promise<ShownFindings> {
  let known: { readonly of: CurrentMesh; readonly shown: Promise<ShownFindings> } | undefined
  return () => {
    const { current } = sources.loop
    if (current === undefined) return Promise.resolve({ findings: [], total: 0 })
    if (known?.of !== current) {
      const shown = gravest(current, sources)
      const mine = { of: current, shown }
      known = mine
      // What failed once may succeed when it is asked for again.
      shown.catch(() => {
        if (known === mine) known = undefined
      })
    }
    return known.shown
  }
}

/** All that there is to say about these objects. */
export async function findingsAbout(objects: readonly ObjectRef[], sources: FindingSources): Promise<readonly Finding[]> {
  const { current } = sources.loop
  if (current === undefined) return []
  const wanted = new Set(objects.map(formatRef))
  const about: Finding[] = []
  for await (const slice of slices(current, sources)) {
    for (const found of slice) {
      if (about.length < MAX_SHOWN && found.object !== undefined && wanted.has(formatRef(found.object))) about.push(found)
    }
  }
  return sources.source.locate(about)
}

async function gravest(current: CurrentMesh, sources: FindingSources): Promise<ShownFindings> {
  const bySeverity = new Map<Severity, Finding[]>(SEVERITIES.map((severity) => [severity, []]))
  let total = 0
  for await (const slice of slices(current, sources)) {
    total += slice.length
    for (const found of slice) {
      const list = bySeverity.get(found.severity)
      if (list !== undefined && list.length < MAX_SHOWN) list.push(found)
    }
  }
  const findings = SEVERITIES.flatMap((severity) => bySeverity.get(severity) ?? []).slice(0, MAX_SHOWN)
  return { findings: await sources.source.locate(findings), total }
}

/** A few milliseconds of work each. */
async function* slices({ findings }: CurrentMesh, { compiler }: FindingSources): AsyncGenerator<readonly Finding[]> {
  const { ofReading, ofCompiling } = findings
  for (let at = 0; at < ofReading.length; at += SLICE) yield await later(ofReading.slice(at, at + SLICE))
  for (const page of ofCompiling.pages) yield await later(readPage(page))
  for (const page of (await compiler.analyze()).pages) yield await later(readPage(page))
}

async function later<T>(value: T): Promise<T> {
  await nextTurn()
  return value
}
