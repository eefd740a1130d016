// What a proxy is made of, as values: handed by proxy.ts to proxy-process.ts and its helpers.
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { Problem } from '../base/result.ts'
import type { Codec } from '../envoy/codec/codec.ts'
import type { Bootstrap } from '../envoy/generated/messages.gen.ts'
import type { StaticConfiguration } from '../proxy/config/decode-bootstrap.ts'
import type { ProxyOptions } from './proxy-options.ts'
import type { SwitchableLog } from './switchable-log.ts'

export interface LoadedBootstrap {
  readonly bootstrap: Bootstrap
  readonly fixed: StaticConfiguration
  readonly warnings: readonly Problem[]
}

export interface ProxyParts {
  readonly options: ProxyOptions
  readonly loaded: LoadedBootstrap
  readonly log: SwitchableLog
  readonly version: string
  readonly clock: Clock
  readonly random: Random
  readonly codec: Codec
}
