// The HTTPS server that the API server asks: /inject[/name/value...], /validate, /ready. A thin shell: reads, calls, answers.
// Invariant: whatever happens, a question that could be read is answered with its uid; a certificate that changes on disk is used for the
// next connection, and one that is no certificate changes nothing.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { createSecureContext } from 'node:tls'
import { type Finding, hasErrors } from '../api/finding.ts'
import type { Clock } from '../base/clock.ts'
import { errorMessage, LateenError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { fail, formatProblems, type Result, succeed } from '../base/result.ts'
import { type AdmissionAnswer, type AdmissionRequest, readReview, writeReview } from './admission.ts'
import { pathSettings } from './path-settings.ts'
import { reviewObject } from './review-object.ts'
import { type InjectionSources, reviewPod } from './review-pod.ts'
import { watchFiles } from './watched-files.ts'
import { WebhookMetrics } from './webhook-metrics.ts'

export interface WebhookOptions extends InjectionSources {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Folder with tls.crt and tls.key. */
  readonly certificateFolder: string
  /** What is wrong with an object by itself; errors deny it. */
  readonly validate: (object: unknown) => readonly Finding[]
  readonly clock: Clock
  readonly log: Logger
}

export interface WebhookServer {
  readonly port: number
  /** For Prometheus. */
  metrics(): string
  /** Looks at the certificate files at once. */
  lookAtCertificate(): void
  /** Answers what was asked, takes nothing more. */
  close(): Promise<void>
}

/** The API server stores objects of 1.5 MB, takes requests of 3 MB, and sends an old object beside the new one. */
const MAX_BODY_BYTES = 8 * 1024 * 1024

export async function startWebhook(options: WebhookOptions): Promise<WebhookServer> {
  const { clock, log } = options
  const metrics = new WebhookMetrics()
  const server = createServer({ minVersion: 'TLSv1.2' })
  const files = watchFiles({
    paths: ['tls.crt', 'tls.key'].map((name) => path.join(options.certificateFolder, name)),
    clock,
    onChange: ([cert = '', key = '']) => useCertificate(server, cert, key, log),
    onFailure: (message) => log.error('webhook certificate not changed', { because: message, folder: options.certificateFolder }),
  })
  if (!files.ok)
    throw new LateenError(
      'WEBHOOK_CERTIFICATE',
      `the webhook's certificate in ${options.certificateFolder}: ${formatProblems(files.problems)}`,
    )
  // The API server keeps connections; slow senders are not waited for.
  Object.assign(server, { requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 120_000 })
  server.on('request', (request, response) => {
    answer(request, response, options, metrics).catch((error: unknown) => {
      metrics.failed()
      log.error('webhook failed', { because: errorMessage(error), url: request.url })
      end(response, 500, `the webhook failed: ${errorMessage(error)}`)
    })
  })
  server.on('tlsClientError', (error) => log.debug('webhook refused a connection', { because: errorMessage(error) }))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port, // a listening TCP server has one
    metrics: () => metrics.format(),
    lookAtCertificate: () => files.value.look(),
    close: () => {
      files.value.stop()
      return new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      })
    },
  }
}

function useCertificate(server: Server, cert: string, key: string, log: Logger): Result<undefined> {
  try {
    // Throws when the two do not belong together, before the server is touched.
    createSecureContext({ cert, key })
    server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' })
    log.info('webhook certificate in use')
    return succeed(undefined)
  } catch (error) {
    return fail('', errorMessage(error))
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, options: WebhookOptions, metrics: WebhookMetrics): Promise<void> {
  const pathname = (request.url ?? '/').split('?')[0] ?? '/'
  if (pathname === '/ready') return end(response, 200, 'ok')
  const settings = pathSettings(pathname)
  const isInject = settings !== undefined
  if (!isInject && pathname !== '/validate') return end(response, 404, `there is no ${pathname}; there are /inject, /validate and /ready`)
  if (request.method !== 'POST') return end(response, 405, `${pathname} is asked by POST`)
  const startedMs = options.clock.monotonicMs()
  const body = await readBody(request)
  if (body === undefined) return end(response, 413, `the body has more than ${MAX_BODY_BYTES} bytes`)
  const review = readReview(body)
  if (!review.ok) return end(response, 400, formatProblems(review.problems))
  const decided = isInject ? reviewPod(review.value, settings, { ...options, metrics }) : validateObject(review.value, options, metrics)
  const text = writeReview(review.value.uid, decided)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
  if (isInject) metrics.took(options.clock.monotonicMs() - startedMs)
}

function validateObject(request: AdmissionRequest, { validate, log }: WebhookOptions, metrics: WebhookMetrics): AdmissionAnswer {
  const findings = request.operation === 'DELETE' ? [] : validate(request.object)
  metrics.validated(hasErrors(findings) ? 'denied' : findings.length > 0 ? 'warned' : 'allowed')
  if (hasErrors(findings))
    log.info('object refused', { kind: request.kind, namespace: request.namespace, name: request.name, findings: findings.length })
  return reviewObject(findings)
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request) {
    bytes += part.length
    // Read to the end, or the sender sees a reset and not the answer; but kept no longer.
    if (bytes <= MAX_BODY_BYTES) parts.push(part)
    else parts.length = 0
    if (bytes > 4 * MAX_BODY_BYTES) return undefined
  }
  return bytes > MAX_BODY_BYTES ? undefined : Buffer.concat(parts).toString('utf8')
}

function end(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) return
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`)
}
