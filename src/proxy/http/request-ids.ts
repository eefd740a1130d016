// x-request-id: UUID version 4 from the system's random source, drawn in batches because a call per request costs more than the rest.
import { randomFillSync } from 'node:crypto'

const BATCH = 4096
const HEX = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'))

export class RequestIds {
  readonly #octets = new Uint8Array(BATCH)
  #used = BATCH

  next(): string {
    if (this.#used === BATCH) {
      randomFillSync(this.#octets)
      this.#used = 0
    }
    const at = this.#used
    this.#used += 16
    // RFC 9562 5.4: four version bits, two variant bits.
    return `${this.#pair(at)}${this.#pair(at + 2)}-${this.#pair(at + 4)}-${HEX[((this.#octets[at + 6] ?? 0) & 0x0f) | 0x40]}${HEX[this.#octets[at + 7] ?? 0]}-${HEX[((this.#octets[at + 8] ?? 0) & 0x3f) | 0x80]}${HEX[this.#octets[at + 9] ?? 0]}-${this.#pair(at + 10)}${this.#pair(at + 12)}${this.#pair(at + 14)}`
  }

  #pair(at: number): string {
    return `${HEX[this.#octets[at] ?? 0]}${HEX[this.#octets[at + 1] ?? 0]}`
  }
}
