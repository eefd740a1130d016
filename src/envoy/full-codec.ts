// The codec over every message that the generator's roots reach: control plane, CLI, tests. The proxy must not import it:
// its table alone weighs more than the proxy's whole configuration code.
import { createCodec } from './codec/codec.ts'
import { tableText } from './generated/full-table.gen.ts'

export const fullCodec = createCodec(tableText)
