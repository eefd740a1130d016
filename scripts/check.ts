// npm run check: types, lint, layers, generated-code drift. Under a minute; run it before every commit.
import { runStages } from './stages.ts'

const failed = await runStages([
  { name: 'types', command: ['tsc', '-p', 'tsconfig.json'], budgetSeconds: 15 },
  { name: 'lint and format', command: ['biome', 'check', '--error-on-warnings', '.'], budgetSeconds: 5 },
  { name: 'generated code', command: ['node', 'scripts/gen.ts', '--check'], budgetSeconds: 20 },
  { name: 'house rules', command: ['node', '--test', 'test/house/*.test.ts'], budgetSeconds: 30 },
])
process.exitCode = failed === 0 ? 0 : 1
