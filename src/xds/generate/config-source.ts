// 'Ask the stream that this came over': how listeners find their routes and clusters their endpoints.
import type { ConfigSource } from '../../envoy/generated/messages.gen.ts'

/** Without a fetch timeout: a listener waits for its routes instead of answering 404 meanwhile. */
export const ADS: ConfigSource = { ads: {}, initialFetchTimeout: 0, resourceApiVersion: 'V3' }

/** Of secrets. With a timeout: one that does not come must not keep the whole listener closed (Envoy: only what needs it is). */
export const SECRETS_OVER_ADS: ConfigSource = { ads: {}, initialFetchTimeout: 5000, resourceApiVersion: 'V3' }
