// Envoy's RBAC as data and one pure function: who may do what. Permissions and principals are trees; the answer names the policy.
// Invariant: what cannot be judged is denied. A rule set that did not parse decodes to `invalid`, which denies every request.
import type { Cidr } from '../../base/cidr.ts'

export type AuthorizationRules =
  | {
      readonly kind: 'rules'
      readonly action: 'allow' | 'deny' | 'log'
      readonly policies: readonly AuthorizationPolicy[]
      readonly shadow: boolean
    }
  | { readonly kind: 'invalid'; readonly reason: string }

export interface AuthorizationPolicy {
  readonly name: string
  readonly permissions: readonly Condition[]
  readonly principals: readonly Condition[]
}

/** One tree serves permissions and principals: their leaves differ, their and/or/not do not. */
export type Condition =
  | { readonly kind: 'any' }
  | { readonly kind: 'all-of' | 'any-of'; readonly conditions: readonly Condition[] }
  | { readonly kind: 'not'; readonly condition: Condition }
  | {
      readonly kind: 'header'
      readonly name: string
      readonly matches: (value: string) => boolean
      readonly inverted: boolean
      readonly missingIsEmpty: boolean
    }
  | { readonly kind: 'path'; readonly matches: (path: string) => boolean }
  | { readonly kind: 'destination-port'; readonly start: number; readonly end: number }
  | {
      readonly kind: 'address'
      readonly of: 'destination' | 'direct-remote' | 'remote'
      readonly ranges: readonly Cidr[]
      readonly contains: (address: string) => boolean
    }
  | { readonly kind: 'server-name'; readonly matches: (name: string) => boolean }
  /** The peer's certificate: URI SANs, then DNS SANs, then the subject. `matches` undefined: any authenticated peer. */
  | { readonly kind: 'authenticated'; readonly matches: ((principal: string) => boolean) | undefined }
