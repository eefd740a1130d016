// An Envoy v3 bootstrap as a value: the same document that starts a stock Envoy. Called by `lateen proxy -c` and by whoever
// generates bootstraps and wants to know that our proxy takes them.
import type { Result } from '../base/result.ts'
import type { Codec, DecodeOptions } from './codec/codec.ts'
import type { Bootstrap } from './generated/messages.gen.ts'

const BOOTSTRAP = 'envoy.config.bootstrap.v3.Bootstrap'

/** @param json already parsed. With `onUnsupported` (`--allow-unsupported`), fields that are not in force are told, not refused. */
export function readBootstrap(codec: Codec, json: unknown, options: DecodeOptions = {}): Result<Bootstrap> {
  return codec.fromJson(BOOTSTRAP, json, options)
}
