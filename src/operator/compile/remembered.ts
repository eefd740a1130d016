// The memory of compile: what a function made of an object in the round before, and of what. A pass asks it instead of the function, so a
// change of one object costs the work for that object and for those whose inputs it changed. `docs/decisions/incremental-compile.md` says why
// this way.
// Invariants: the functions are pure and see nothing but their inputs, so a result out of memory is the result; what a round does not ask
// for is forgotten with the next one, so the memory is never larger than the mesh.
import { areSame, isSame, shareEqual } from './same.ts'

interface Known<Inputs, Made> {
  readonly inputs: Inputs
  readonly made: Made
}

export class Remembered<Inputs extends readonly unknown[], Made> {
  readonly #make: (...inputs: Inputs) => Made
  #known = new Map<string, Known<Inputs, Made>>()

  /** @param make of inputs that are never changed, and of nothing else: no closure over what differs between rounds. */
  constructor(make: (...inputs: Inputs) => Made) {
    this.#make = make
  }

  /** The function for one round. Lists among the inputs may be other lists of the same values. */
  round(): (key: string, ...inputs: Inputs) => Made {
    const before = this.#known
    const now = new Map<string, Known<Inputs, Made>>()
    this.#known = now
    return (key, ...inputs) => {
      const last = before.get(key)
      if (last !== undefined && areSame(last.inputs, inputs)) {
        now.set(key, last)
        return last.made
      }
      const fresh = this.#make(...inputs)
      const made = last === undefined ? fresh : shareEqual(last.made, fresh)
      now.set(key, { inputs, made })
      return made
    }
  }
}

/** Notes a question with its answer, and gives the answer. */
export type Note<Around> = <Answer>(ask: (around: Around) => Answer) => Answer

interface Answered<Around> {
  readonly ask: (around: Around) => unknown
  readonly answer: unknown
}

interface KnownAnswers<Around, Item, Made> {
  readonly item: Item
  readonly answered: readonly Answered<Around>[]
  readonly made: Made
}

/** The same for functions that find out what they need only while they run: their inputs are an item and the answers they were given. */
export class RememberedAnswers<Around, Item, Made> {
  readonly #make: (item: Item, around: Around) => Made
  readonly #noting: (note: Note<Around>) => Around
  #known = new Map<string, KnownAnswers<Around, Item, Made>>()

  /** @param noting surroundings of which every question is noted. */
  constructor(make: (item: Item, around: Around) => Made, noting: (note: Note<Around>) => Around) {
    this.#make = make
    this.#noting = noting
  }

  round(around: Around): (key: string, item: Item) => Made {
    const before = this.#known
    const now = new Map<string, KnownAnswers<Around, Item, Made>>()
    this.#known = now
    return (key, item) => {
      const last = before.get(key)
      if (last !== undefined && last.item === item && last.answered.every(({ ask, answer }) => isSame(answer, ask(around)))) {
        now.set(key, last)
        return last.made
      }
      const answered: Answered<Around>[] = []
      const note: Note<Around> = (ask) => {
        const answer = ask(around)
        answered.push({ ask, answer })
        return answer
      }
      const fresh = this.#make(item, this.#noting(note))
      const made = last === undefined ? fresh : shareEqual(last.made, fresh)
      now.set(key, { item, answered, made })
      return made
    }
  }
}
