// What a data thread of `lateen proxy --concurrency N` runs. Started by proxy-data-side.ts as a worker; never on a command line.
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { compileRegex, compileRegexRewrite, compileStrictRegex } from '../base/regex.ts'
import { collectGarbage } from '../proxy/overload/collect-garbage.ts'
import type { ThreadData } from '../proxy/threads/protocol.ts'
import { runDataThread } from '../proxy/threads/thread-host.ts'
import { lazyOriginalDestination } from './lazy-original-destination.ts'

if (parentPort === null) throw new Error('this file is a data thread of the proxy: start `lateen proxy --concurrency N`')
const data: ThreadData = workerData
runDataThread(parentPort, data, {
  clock: systemClock,
  random: systemRandom,
  regex: { compile: compileRegex, compileStrict: compileStrictRegex, rewriter: compileRegexRewrite },
  originalDestination: lazyOriginalDestination,
  collectGarbage,
})
