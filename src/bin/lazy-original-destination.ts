// The original destination of redirected connections, loaded by the first connection that a redirecting listener accepts and by nothing
// else: koffi costs 5 MB. Used by the main thread's data plane and by each data thread.
import { errorMessage } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { loadOriginalDestination, type OriginalDestination } from '../proxy/sockets/original-destination.ts'

export function lazyOriginalDestination(log: Logger): OriginalDestination {
  let loaded: OriginalDestination | undefined
  return (fd, remoteAddress) => {
    try {
      loaded ??= loadOriginalDestination()
    } catch (error) {
      log.error('redirected connections cannot be served: koffi is not installed or does not fit this system', {
        problem: errorMessage(error),
      })
      loaded = () => undefined
    }
    return loaded(fd, remoteAddress)
  }
}
