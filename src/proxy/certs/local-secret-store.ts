// The one implementation of SecretStore: inline PEM as it is, files polled and reloaded whole, named secrets set by whoever keeps them
// (certificate-manager.ts for 'default' and 'ROOTCA', the control plane for those that a gateway asks it for).
// Invariant: a pair is published only when its key belongs to its certificate: a reader between two file writes sees the old pair.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { type ReadonlyWatchable, Watchable } from '../../base/watchable.ts'
import type { CertificateSource, PeerValidation } from '../config/proxy-config.ts'
import type { KeyPair, SecretStore } from './secret-store.ts'

const POLL_MS = 5000

export class LocalSecretStore implements SecretStore {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #pairs = new Map<string, Watchable<KeyPair | undefined>>()
  readonly #roots = new Map<string, Watchable<string | undefined>>()
  readonly #reloads: (() => void)[] = []

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock
    this.#log = log
  }

  keyPair(source: CertificateSource): ReadonlyWatchable<KeyPair | undefined> {
    switch (source.kind) {
      case 'secret':
        return this.#pair(`secret ${source.name}`)
      case 'sds':
        return this.#pair(`sds ${source.name}`)
      case 'pem': {
        const watchable = this.#pair(`pem ${source.chainPem}`)
        watchable.set({ chainPem: source.chainPem, keyPem: source.keyPem })
        return watchable
      }
      case 'files': {
        const key = `files ${source.chainPath} ${source.keyPath}`
        const known = this.#pairs.get(key)
        if (known !== undefined) return known
        const watchable = this.#pair(key)
        this.#poll(`${source.chainPath}, ${source.keyPath}`, () => {
          watchable.set(checkedPair(readFileSync(source.chainPath, 'utf8'), readFileSync(source.keyPath, 'utf8')))
        })
        return watchable
      }
    }
  }

  roots(trust: NonNullable<PeerValidation['trust']>): ReadonlyWatchable<string | undefined> {
    switch (trust.kind) {
      case 'secret':
        return this.#root(`secret ${trust.name}`)
      case 'sds':
        return this.#root(`sds ${trust.name}`)
      case 'pem': {
        const watchable = this.#root(`pem ${trust.pem}`)
        watchable.set(trust.pem)
        return watchable
      }
      case 'file': {
        const known = this.#roots.get(`file ${trust.path}`)
        if (known !== undefined) return known
        const watchable = this.#root(`file ${trust.path}`)
        this.#poll(trust.path, () => watchable.set(checkedRoots(readFileSync(trust.path, 'utf8'))))
        return watchable
      }
    }
  }

  setKeyPair(name: string, pair: KeyPair): void {
    this.#pair(`secret ${name}`).set(pair)
  }

  setRoots(name: string, pem: string): void {
    this.#root(`secret ${name}`).set(pem)
  }

  /** From the control plane (ads/received-secrets.ts); undefined: it has none any more. */
  setReceivedPair(name: string, pair: KeyPair | undefined): void {
    this.#pair(`sds ${name}`).set(pair)
  }

  setReceivedRoots(name: string, pem: string | undefined): void {
    this.#root(`sds ${name}`).set(pem)
  }

  /** Everything that is held now, for the admin port: certificates and roots, never keys. */
  certificates(): readonly { readonly name: string; readonly chainPem: string | undefined; readonly rootsPem: string | undefined }[] {
    const chains = [...this.#pairs].map(([key, { value }]) => ({ name: shortName(key), chainPem: value?.chainPem, rootsPem: undefined }))
    const roots = [...this.#roots].map(([key, { value }]) => ({ name: shortName(key), chainPem: undefined, rootsPem: value }))
    return [...chains, ...roots].filter(({ chainPem, rootsPem }) => chainPem !== undefined || rootsPem !== undefined)
  }

  /** A full turn over all files now; tests and SIGHUP-like callers need not wait for the poll. */
  reload(): void {
    for (const reload of this.#reloads) reload()
  }

  #pair(key: string): Watchable<KeyPair | undefined> {
    const known = this.#pairs.get(key)
    if (known !== undefined) return known
    const made = new Watchable<KeyPair | undefined>(undefined, (a, b) => a?.chainPem === b?.chainPem && a?.keyPem === b?.keyPem)
    this.#pairs.set(key, made)
    return made
  }

  #root(key: string): Watchable<string | undefined> {
    const known = this.#roots.get(key)
    if (known !== undefined) return known
    const made = new Watchable<string | undefined>(undefined)
    this.#roots.set(key, made)
    return made
  }

  /** Polled, not watched: mounted secrets change by swapping a symbolic link, which file watchers miss on some systems. */
  #poll(what: string, load: () => void): void {
    let lastProblem = ''
    const attempt = (): void => {
      try {
        load()
        lastProblem = ''
      } catch (error) {
        const problem = errorMessage(error)
        if (problem !== lastProblem) this.#log.warn('cannot load certificate files, what was loaded before stays', { files: what, problem })
        lastProblem = problem
      }
    }
    const again = (): void => {
      attempt()
      this.#clock.after(POLL_MS, again, { background: true })
    }
    this.#reloads.push(attempt)
    again()
  }
}

function checkedPair(chainPem: string, keyPem: string): KeyPair {
  if (!new X509Certificate(chainPem).checkPrivateKey(createPrivateKey(keyPem)))
    throw new Error('the key does not belong to the certificate')
  return { chainPem, keyPem }
}

function checkedRoots(pem: string): string {
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw new Error('no certificate in the file of roots')
  return pem
}

/** 'default' for a secret, the path for a file, 'inline' for PEM in the configuration. */
function shortName(key: string): string {
  const space = key.indexOf(' ')
  return key.startsWith('pem ') ? 'inline' : (key.slice(space + 1).split(' ')[0] ?? '')
}
