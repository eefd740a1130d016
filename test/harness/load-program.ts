// The load generator as a process of its own, so that its work is not counted with anybody else's: plan in, report out, as JSON.
import { type LoadPlan, runLoad } from './load.ts'

// The plan was written by runLoadProcess in this repository, a line above where the program is started.
const plan = JSON.parse(process.argv[2] ?? '') as LoadPlan
process.stdout.write(`${JSON.stringify(await runLoad(plan))}\n`)
process.exit(0)
