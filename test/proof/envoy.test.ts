// Our control plane drives a stock Envoy: same resources, another proxy, in the place of a workload's sidecar.
// Certificates come the way every workload gets them; Envoy finds them as the static secrets of its bootstrap.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import type { TestCertificate } from '../harness/certificates.ts'
import { type RunningEnvoy, requireEnvoy, startEnvoy } from '../harness/envoy.ts'
import { type Answer, postOnce } from '../harness/http-connection.ts'
import { isSynced } from '../harness/mesh.ts'
import { echoMesh, STRICT, split } from '../harness/mesh-files.ts'
import { type MeshParts, startMeshParts } from '../harness/mesh-parts.ts'
import { freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'

const FILES = { ...echoMesh(), 'route.yaml': split(100, 0), 'strict.yaml': STRICT }

test('a stock Envoy as the caller reaches applications behind our sidecars over mutual TLS and follows a changed route', async (t) => {
  const binary = requireEnvoy(t)
  if (binary === undefined) return
  const mesh = await startMeshParts(t, { files: FILES })
  await Promise.all(
    ['v1', 'v2'].flatMap((version) => [
      mesh.startSidecar(`echo-${version}`, 'echo', { app: 'echo', version }),
      mesh.startEcho(`echo-${version}`, version),
    ]),
  )
  await mesh.setReady(['caller', 'echo-v1', 'echo-v2'])
  const envoy = await startEnvoyAs(t, binary, mesh, 'caller', 'caller', { app: 'caller', version: 'v1' })

  const answer = await untilAnswered(mesh, envoy)

  assert.match(answer.headers.get('x-answered-by') ?? '', /^echo-v1 /)
  assert.match(answer.body, /x-forwarded-client-cert: .*URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/caller/i)
  await untilEnvoySynced(mesh, 'caller', envoy)

  mesh.write('route.yaml', split(0, 100))
  await waitFor(async () => (await postOnce(mesh.outbound('caller'), '/head')).headers.get('x-answered-by')?.startsWith('echo-v2 '), {
    what: 'Envoy to follow the changed VirtualService',
  })
  await untilEnvoySynced(mesh, 'caller', envoy)
})

test('a stock Envoy as the sidecar of an application serves our sidecars over mutual TLS and refuses plaintext', async (t) => {
  const binary = requireEnvoy(t)
  if (binary === undefined) return
  const mesh = await startMeshParts(t, { files: FILES })
  const envoy = await startEnvoyAs(t, binary, mesh, 'echo-v1', 'echo', { app: 'echo', version: 'v1' })
  await mesh.startEcho('echo-v1', 'v1')
  await mesh.setReady(['caller', 'echo-v1'])
  await mesh.startSidecar('caller', 'caller', { app: 'caller', version: 'v1' })

  const answer = await untilAnswered(mesh, envoy)

  assert.equal(answer.headers.get('x-answered-by')?.split(' ')[0], 'echo-v1')
  assert.match(answer.body, /x-forwarded-client-cert: .*URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/caller/i)
  await untilEnvoySynced(mesh, 'echo-v1', envoy)
  await assert.rejects(postOnce(mesh.inbound('echo-v1'), '/pay'))
})

/** Envoy in the place of the sidecar of `instance`: the bootstrap that our proxy would get, and the certificate in files. */
async function startEnvoyAs(
  t: TestContext,
  binary: string,
  mesh: MeshParts,
  instance: string,
  serviceAccount: string,
  labels: Readonly<Record<string, string>>,
): Promise<RunningEnvoy> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-envoy-secrets-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const [adminPort = 0] = await freePorts(1)
  const { static_resources: resources, ...bootstrap } = mesh.bootstrap(instance, serviceAccount, labels)
  const secrets = writeSecrets(folder, await mesh.certificateFor(serviceAccount), mesh.rootPem)
  const envoy = await startEnvoy(
    binary,
    {
      ...bootstrap,
      static_resources: { ...(typeof resources === 'object' ? resources : {}), secrets },
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } },
    },
    adminPort,
  )
  t.after(() => envoy.stop())
  return envoy
}

function writeSecrets(folder: string, { chainPem, keyPem }: TestCertificate, rootPem: string): readonly unknown[] {
  const write = (name: string, text: string): { filename: string } => {
    const filename = path.join(folder, name)
    writeFileSync(filename, text, { mode: 0o600 })
    return { filename }
  }
  return [
    { name: 'default', tls_certificate: { certificate_chain: write('chain.pem', chainPem), private_key: write('key.pem', keyPem) } },
    { name: 'ROOTCA', validation_context: { trusted_ca: write('root.pem', rootPem) } },
  ]
}

/** Until the first 200; says what came instead when none comes. */
async function untilAnswered(mesh: MeshParts, envoy: RunningEnvoy): Promise<Answer> {
  let last = 'no answer'
  try {
    return await waitFor(
      async () => {
        try {
          const answer = await postOnce(mesh.outbound('caller'), '/head')
          last = `${answer.status} ${answer.body}`
          return answer.status === 200 ? answer : undefined
        } catch (error) {
          last = String(error)
          return undefined
        }
      },
      { what: 'an answer with 200' },
    )
  } catch (error) {
    throw new Error(
      `no 200 in time, the last answer was: ${last}\nEnvoy: ${envoy.output()}\nmesh: ${JSON.stringify(await mesh.proxies())}`,
      {
        cause: error,
      },
    )
  }
}

async function untilEnvoySynced(mesh: MeshParts, workload: string, envoy: RunningEnvoy): Promise<void> {
  const status = await waitFor(async () => (await mesh.proxies()).find((each) => each.workload === workload && isSynced(each)), {
    what: `proxy-status of Envoy as ${workload} without a rejection:\n${envoy.output()}`,
  })
  assert.deepEqual(
    Object.keys(status.types).sort(),
    ['CDS', 'EDS', 'LDS', 'RDS', 'VHDS'].filter((type) => type in status.types),
  )
  assert.doesNotMatch(envoy.output(), /rejected/i)
}
