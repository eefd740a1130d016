// One entry of an http section with where it was written: of a delegated route the delegate's. Names in it belong to that object's
// namespace. Made by delegates.ts, read by http-routes.ts and what it calls.
import type { HTTPRoute, VirtualService } from '../../api/generated/virtual-service.gen.ts'

export interface RouteEntry {
  readonly entry: HTTPRoute
  readonly object: VirtualService
  /** `spec.http[2]`. */
  readonly field: string
  /** Of merged entries: where each match was written; absent: in `field`, in order. */
  readonly matchFields?: readonly string[]
}
