// A NACK, kept until what it was about has been replaced and accepted: an accepted neighbour does not make a rejected route right.
// Used by both kinds of subscription. Pure.

export interface Rejection {
  readonly message: string
  /** Version of the response that was refused. */
  readonly version: string
  /** The resources that are still wrong. */
  readonly resources: ReadonlySet<string>
  /** The client said which: all of them must be replaced. Otherwise one that is replaced and accepted settles it. */
  readonly named: boolean
}

/** A client cannot make us keep more than this of what it says. */
const MAX_MESSAGE = 4096

/** @param touched the resources of the refused response. Clients name the bad ones in the message, as Envoy does. */
export function rejected(message: string, version: string, touched: Iterable<string>): Rejection {
  const all = [...touched]
  const inMessage = all.filter((name) => name !== '' && message.includes(name))
  const resources = new Set(inMessage.length > 0 ? inMessage : all)
  return { message: message.slice(0, MAX_MESSAGE), version, resources, named: inMessage.length > 0 }
}

/** What is left of a rejection after a response that touched these resources was accepted. */
export function afterAcceptance(rejection: Rejection | undefined, touched: Iterable<string>): Rejection | undefined {
  if (rejection === undefined || rejection.resources.size === 0) return undefined
  const left = new Set(rejection.resources)
  for (const name of touched) left.delete(name)
  if (left.size === 0) return undefined
  return !rejection.named && left.size < rejection.resources.size ? undefined : { ...rejection, resources: left }
}
