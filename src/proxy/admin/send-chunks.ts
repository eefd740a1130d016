// A long answer of an HTTP port that is not hot: in chunks, at the reader's pace, with the loop free between them.
// Used by the admin port and by the agent's.
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers/promises'

const CHUNK_CHARACTERS = 32 * 1024

export async function sendChunks(response: ServerResponse, parts: Iterable<string>): Promise<void> {
  let chunk = ''
  for (const part of parts) {
    chunk += part
    if (chunk.length < CHUNK_CHARACTERS) continue
    if (response.destroyed) return
    if (!response.write(chunk)) await Promise.race([once(response, 'drain'), once(response, 'close')])
    chunk = ''
    // Thousands of series take longer than a request may wait: others get their turn between chunks.
    await setImmediate()
  }
  response.end(chunk)
}
