// The codec of our proxy: what honoured.ts lists, and names for the rest of those messages' fields.
import { createCodec } from './codec/codec.ts'
import { tableText } from './generated/proxy-table.gen.ts'

export const proxyCodec = createCodec(tableText)
