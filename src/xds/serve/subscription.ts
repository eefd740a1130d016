// What client-session.ts and client-status.ts need of a subscription, whichever variant of the protocol it speaks.
import type { ResourceParts } from '../generate/resources.ts'
import type { Rejection } from './rejection.ts'

export interface Subscription {
  readonly typeUrl: string
  /** A response is out and the client has not answered it. */
  readonly awaiting: boolean
  readonly rejection: Rejection | undefined
  /** Version of the newest response sent and of the newest one accepted; '' before the first. */
  readonly sentVersion: string
  readonly acceptedVersion: string
  /** How many resources it asked for by name: what a client can make us remember. */
  readonly subscribedNames: number
  hasNews(resources: ResourceParts | undefined): boolean
  /** One message, in chunks. */
  next(resources: ResourceParts | undefined, keepRemoved: boolean): readonly Uint8Array[] | undefined
}
