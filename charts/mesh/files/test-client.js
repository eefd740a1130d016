// The caller of `helm test`: one plain request to SERVER, which the two sidecars turn into mutual TLS. The server's sidecar says whose
// certificate it saw; only the caller's own identity passes. Tries until 90 s are over: certificates and configuration have to arrive.
const { SERVER, CALLER, CALLED } = process.env
const deadline = Date.now() + 90_000
let problem = 'nothing was tried'

for (;;) {
  try {
    const response = await fetch(SERVER, { signal: AbortSignal.timeout(5000) })
    const body = await response.text()
    const seen = response.ok ? (JSON.parse(body)['x-forwarded-client-cert'] ?? '') : ''
    if (seen.includes(`URI=${CALLER}`) && seen.includes(`By=${CALLED}`)) {
      process.stdout.write(`ok: the call reached ${CALLED} over mutual TLS, as ${CALLER}\n`)
      process.exit(0)
    }
    problem = response.ok
      ? `the call arrived, but not over the mesh: the called one saw the certificate '${seen}' and not ${CALLER}`
      : `the answer was ${response.status}: ${body.slice(0, 300)}`
  } catch (error) {
    problem = `the call failed: ${error.cause?.message ?? error.message}`
  }
  if (Date.now() > deadline) break
  await new Promise((resolve) => setTimeout(resolve, 500))
}
process.stderr.write(`${problem}\nSee what is wrong with: lateen check -n ${process.env.NAMESPACE}\n`)
process.exit(1)
