// A real API server, asked whether it would take an object: strict fields, dry run, nothing is kept.
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { parse } from 'yaml'
import { isRecord } from '../../src/api/record.ts'

export interface ApiServer {
  /** The server's reason for refusing, or undefined. */
  refusal(path: string, object: unknown): Promise<string | undefined>
  apply(path: string, name: string, text: string): Promise<string | undefined>
  close(): void
}

export function connectApiServer(kubeconfig: string): ApiServer {
  const config: unknown = parse(readFileSync(kubeconfig, 'utf8'))
  const cluster = first(config, 'clusters', 'cluster')
  const user = first(config, 'users', 'user')
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 8,
    ca: data(cluster['certificate-authority-data']),
    cert: data(user['client-certificate-data']),
    key: data(user['client-key-data']),
  })
  const base = String(cluster.server)
  return {
    refusal: (path, object) =>
      send(agent, 'POST', `${base}${path}?dryRun=All&fieldValidation=Strict`, 'application/json', JSON.stringify(object)),
    apply: (path, name, text) =>
      send(agent, 'PATCH', `${base}${path}/${name}?fieldManager=lateen-test&force=true`, 'application/apply-patch+yaml', text),
    close: () => agent.destroy(),
  }
}

function send(agent: Agent, method: string, url: string, contentType: string, body: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, method, headers: { 'content-type': contentType, 'content-length': Buffer.byteLength(body) } })
    sent.on('error', reject)
    sent.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve(response.statusCode !== undefined && response.statusCode < 300 ? undefined : messageOf(text)))
    })
    sent.end(body)
  })
}

/** The Status object's message; a path that is not served yet is answered with plain text. */
function messageOf(text: string): string {
  if (!text.startsWith('{')) return text
  const status: unknown = JSON.parse(text)
  return isRecord(status) && typeof status.message === 'string' ? status.message : text
}

function first(config: unknown, list: string, field: string): Readonly<Record<string, unknown>> {
  const entries = isRecord(config) ? config[list] : undefined
  const entry: unknown = Array.isArray(entries) ? entries[0] : undefined
  const value = isRecord(entry) ? entry[field] : undefined
  if (!isRecord(value)) throw new Error(`the kubeconfig has no ${list}[0].${field}`)
  return value
}

function data(value: unknown): Buffer {
  return Buffer.from(String(value), 'base64')
}
