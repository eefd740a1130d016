// 'Ask the stream that this came over': how listeners find their routes and clusters their endpoints.
import type { ConfigSource } from '../../envoy/generated/messages.gen.ts'

/** Without a fetch timeout: a listener waits for its routes instead of answering 404 meanwhile. */
export const ADS: ConfigSource = { ads: {}, initialFetchTimeout: 0, resourceApiVersion: 'V3' }
