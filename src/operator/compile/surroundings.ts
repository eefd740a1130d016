// All that compiling one VirtualService may learn of the mesh around it. Made once a round by the pass, read by everything
// below it.
// Invariant: whoever compiles one object sees the mesh through this and through nothing else, so that what it asked is known, and its result
// is kept for as long as the answers are the same (remembered.ts). Who needs to know more adds a question here.
import type { VirtualService } from '../../api/generated/virtual-service.gen.ts'
import type { RegexCompiler } from '../../base/string-matcher.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { MeshService } from '../../model/service.ts'
import type { PassInput } from './pass.ts'
import type { Note } from './remembered.ts'

export interface Surroundings {
  readonly settings: MeshSettings
  readonly compileRegex: RegexCompiler
  service(hostname: string): MeshService | undefined
  /** Of all services, for suggestions. */
  hostnames(): readonly string[]
  /** What a route to the host may name, whoever's rule says so: which rule counts depends on the client. */
  subsets(hostname: string): readonly string[]
  /** By `namespace/name`. */
  virtualService(key: string): VirtualService | undefined
}

/** Of the passes so far. */
export function surroundingsIn({
  objects,
  draft,
  settings,
  compileRegex,
}: PassInput<'VirtualService', 'services' | 'subsetNames'>): Surroundings {
  const hostnames = [...draft.services.keys()]
  const wildcards = [...draft.subsetNames].filter(([host]) => host.startsWith('*'))
  return {
    ...{ settings, compileRegex },
    service: (hostname) => draft.services.get(hostname),
    hostnames: () => hostnames,
    subsets(hostname) {
      const exact = draft.subsetNames.get(hostname)
      if (exact !== undefined) return exact
      return wildcards.flatMap(([pattern, names]) => (hostname.endsWith(pattern.slice(1)) ? names : []))
    },
    virtualService: (key) => objects.VirtualService.get(key),
  }
}

/** Every question is noted with its answer, settings included. */
export function noting(note: Note<Surroundings>): Surroundings {
  return {
    settings: note(({ settings }) => settings),
    compileRegex: note(({ compileRegex }) => compileRegex),
    service: (hostname) => note((each) => each.service(hostname)),
    hostnames: () => note((each) => each.hostnames()),
    subsets: (hostname) => note((each) => each.subsets(hostname)),
    virtualService: (key) => note((each) => each.virtualService(key)),
  }
}
