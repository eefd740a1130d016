// An address in Envoy's words.
import type { Address } from '../../envoy/generated/messages.gen.ts'

export function socketAddress({ host, port }: { readonly host: string; readonly port: number }): Address {
  return { socketAddress: { address: host, portValue: port } }
}
