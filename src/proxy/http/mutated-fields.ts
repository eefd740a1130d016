// A plan of header mutations performed on one message: on the lines that came and on those that this proxy adds. Made by request-head.ts
// and response-head.ts only for routes that mutate. Level after level, each as Envoy's HeaderParser does it: remove, evaluate all values
// on what is there now, overwrite, add.
// Invariant: what a level wrote or removed is what the next level, and %REQ()% in it, sees.
import type { HeaderMutations, HeaderValue } from '../config/proxy-config.ts'
import { isOneValue } from '../http1/one-value-fields.ts'
import { isNotALine, type MutationPlan } from './header-mutations.ts'

/** Fields that travel from the message that came, by lower-case name; undefined: none. @param first of several lines only the first. */
export type CameWith = (lowerName: string, first: boolean) => string | undefined

export class MutatedFields {
  /** Lower-case names whose lines do not travel any more. */
  readonly dropped = new Set<string>()
  readonly #cameWith: CameWith
  #own: [name: string, value: string][]

  /** @param ownLines what this proxy adds before the route has its say, each line with its end. */
  constructor(cameWith: CameWith, ownLines: string) {
    this.#cameWith = cameWith
    this.#own = ownLines
      .split('\r\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()])
  }

  get(lowerName: string): string | undefined {
    const came = this.#came(lowerName, false)
    const own = this.#own.filter(([name]) => name === lowerName).map(([, value]) => value)
    return came === undefined && own.length === 0 ? undefined : [...(came === undefined ? [] : [came]), ...own].join(',')
  }

  /** What %REQ()% says (HeadView). */
  firstLine(lowerName: string): string | undefined {
    if (isOneValue(lowerName)) return this.get(lowerName)
    return this.#came(lowerName, true) ?? this.#own.find(([name]) => name === lowerName)?.[1]
  }

  #came(lowerName: string, first: boolean): string | undefined {
    return this.dropped.has(lowerName) ? undefined : this.#cameWith(lowerName, first)
  }

  /** The lines that this proxy writes behind those that travel. */
  get lines(): string {
    return this.#own.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  }

  apply(plan: MutationPlan, expand: (template: string) => string): this {
    for (const level of plan.levels) this.#applyLevel(level, expand)
    return this
  }

  #applyLevel({ remove, set }: HeaderMutations, expand: (template: string) => string): void {
    for (const name of remove) this.#remove(name)
    const evaluated: [value: HeaderValue, text: string][] = []
    for (const value of set) {
      if (isNotALine(value.name)) continue
      const text = value.hasOperators ? expand(value.value) : value.value
      if ((text !== '' || value.keepsEmpty) && this.#applies(value)) evaluated.push([value, text])
    }
    for (const [{ name, action }, text] of evaluated) {
      if (!action.startsWith('overwrite')) continue
      this.#remove(name)
      this.#own.push([name, text])
    }
    for (const [{ name, action }, text] of evaluated) if (!action.startsWith('overwrite')) this.#own.push([name, text])
  }

  #applies({ name, action }: HeaderValue): boolean {
    if (action === 'add-if-absent') return this.get(name) === undefined
    return action !== 'overwrite-if-exists' || this.get(name) !== undefined
  }

  /** Somebody else writes it behind the mutations. */
  drop(lowerName: string): void {
    this.#remove(lowerName)
  }

  #remove(lowerName: string): void {
    this.dropped.add(lowerName)
    this.#own = this.#own.filter(([name]) => name !== lowerName)
  }
}
