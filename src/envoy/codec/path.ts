// Where a decoder or encoder is: `static_resources.listeners[0].name`. Kept as a stack that costs two writes per nested
// message; the text is made only when there is something to complain about.

export class Path {
  readonly #steps: (string | number)[] = []
  #length = 0

  get depth(): number {
    return this.#length
  }

  push(step: string | number): void {
    this.#steps[this.#length++] = step
  }

  pop(): void {
    this.#length--
  }

  /** The place itself, or a field (or index) below it. */
  at(...below: readonly (string | number)[]): string {
    let text = ''
    for (const step of [...this.#steps.slice(0, this.#length), ...below]) {
      if (typeof step === 'number') text += `[${step}]`
      else if (/^[A-Za-z_@][\w@]*$/.test(step)) text += text === '' ? step : `.${step}`
      else text += `[${JSON.stringify(step)}]`
    }
    return text
  }
}
