// The injector's configuration, from the file that the chart mounts: watched, and never worse than the last good one. Opened by start.ts, before
// the source, because the names of this control plane stand in it.

import type { Clock } from '../../../base/clock.ts'
import { LateenError } from '../../../base/errors.ts'
import type { Logger } from '../../../base/log.ts'
import { formatProblems, succeed } from '../../../base/result.ts'
import { sameSet } from '../../../base/same-set.ts'
import { type ReadonlyWatchable, Watchable } from '../../../base/watchable.ts'
import { defaultInjectorConfig, type InjectorConfig, readInjectorConfig } from '../../../webhook/injector-config.ts'
import { watchFiles } from '../../../webhook/watched-files.ts'

export interface InjectorFile {
  readonly config: ReadonlyWatchable<InjectorConfig>
  /** Other names of this control plane's revision, by which objects may call it. */
  readonly tags: ReadonlyWatchable<ReadonlySet<string>>
  stop(): void
}

export function watchInjectorFile(path: string, clock: Clock, log: Logger): InjectorFile {
  const config = new Watchable<InjectorConfig>(defaultInjectorConfig())
  const files = watchFiles({
    paths: [path],
    clock,
    onChange([text = '']) {
      const read = readInjectorConfig(text)
      if (!read.ok) return read
      config.set(read.value)
      log.info('injector configuration in use', { file: path })
      return succeed(undefined)
    },
    onFailure: (message) => log.error('the injector configuration is not taken; the last good one stays in force', { because: message }),
  })
  if (!files.ok) throw new LateenError('INJECTOR_CONFIG', `${path}: ${formatProblems(files.problems)}`)
  const tags = new Watchable<ReadonlySet<string>>(new Set(config.value.revisionTags), sameSet)
  config.watch(({ revisionTags }) => tags.set(new Set(revisionTags)))
  return { config, tags, stop: () => files.value.stop() }
}
