// What the control plane's compile thread runs. Started by control-plane/compile-worker.ts as a worker; never on a command line.
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../base/clock.ts'
import { compileRegex } from '../base/regex.ts'
import { type CompileThreadData, type FromCompileThread, handedOver, type ToCompileThread } from './control-plane/compile-protocol.ts'
import { CompileSide } from './control-plane/compile-side.ts'

if (parentPort === null) throw new Error('this file is a thread of the control plane: start `lateen control-plane`')
const port = parentPort
const data: CompileThreadData = workerData
const side = new CompileSide(data, {
  compileRegex,
  clock: systemClock,
  post: (message: FromCompileThread) => port.postMessage(message, handedOver(message)),
  soon: (action) => void setImmediate(action),
})
port.on('message', (message: ToCompileThread) => side.receive(message))
