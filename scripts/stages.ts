// Runs named stages one after another, prints each one's time beside its budget, and fails when a stage fails.
// A stage over budget is reported, not failed: the machine may be slow, the budget is for people to watch.
import { spawn } from 'node:child_process'

export interface Stage {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly budgetSeconds: number
  readonly env?: Readonly<Record<string, string>>
  /** A reason to leave the stage out, printed; undefined: run it. */
  readonly skip?: string | undefined
}

/** Resolves to the number of failed stages. */
export async function runStages(stages: readonly Stage[]): Promise<number> {
  const rows: { name: string; seconds: number; budgetSeconds: number; outcome: string }[] = []
  for (const stage of stages) {
    if (stage.skip !== undefined) {
      console.log(`\n== ${stage.name}: skipped: ${stage.skip}`)
      rows.push({ name: stage.name, seconds: 0, budgetSeconds: stage.budgetSeconds, outcome: 'skipped' })
      continue
    }
    console.log(`\n== ${stage.name}: ${stage.command.join(' ')}`)
    const startedAt = performance.now()
    const code = await run(stage)
    const seconds = (performance.now() - startedAt) / 1000
    rows.push({ name: stage.name, seconds, budgetSeconds: stage.budgetSeconds, outcome: code === 0 ? 'ok' : `failed (exit ${code})` })
  }
  console.log('\nstage                          seconds   budget  outcome')
  for (const row of rows) {
    const over = row.seconds > row.budgetSeconds ? '  over budget' : ''
    console.log(
      `${row.name.padEnd(28)} ${row.seconds.toFixed(1).padStart(9)} ${String(row.budgetSeconds).padStart(8)}  ${row.outcome}${over}`,
    )
  }
  return rows.filter((row) => row.outcome.startsWith('failed')).length
}

function run(stage: Stage): Promise<number> {
  const [program, ...args] = stage.command
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...stage.env } })
    child.on('error', (error) => {
      console.error(`cannot start ${program}: ${error.message}`)
      resolve(127)
    })
    child.on('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)))
  })
}
