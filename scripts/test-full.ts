// npm run test:full: everything of npm test, and its bounded suites in full. Half an hour on two cores that do nothing else.
import { runStages } from './stages.ts'

const failed = await runStages([
  { name: 'npm test', command: ['node', 'scripts/test.ts'], budgetSeconds: 600 },
  { name: 'a hundred thousand objects', command: ['node', 'scripts/fuzz.ts', 'bulk'], budgetSeconds: 240 },
  {
    name: 'differential (100,000)',
    command: ['node', 'scripts/differential.ts', '--cases', '100000', '--seed', '1'],
    budgetSeconds: 1500,
  },
])
process.exitCode = failed === 0 ? 0 : 1
