// What the schema cannot say of the kinds that change proxies: WasmPlugin and ProxyConfig.
import type { ProxyConfig } from '../generated/proxy-config.gen.ts'
import type { WasmPlugin } from '../generated/wasm-plugin.gen.ts'
import type { Report } from '../report.ts'
import { checkSelector } from './matches.ts'
import { checkTargets } from './targets.ts'

const DIGEST_IN_URL = /@sha256:([0-9a-f]{64})$/

export function checkWasmPlugin({ spec }: WasmPlugin, report: Report): void {
  const path = ['spec']
  checkSelector(spec.selector, [...path, 'selector'], report)
  checkTargets(spec, path, report)
  const { url, sha256 = '' } = spec
  const inUrl = DIGEST_IN_URL.exec(url)?.[1]
  if (sha256 !== '' && !/^[0-9a-f]{64}$/.test(sha256))
    report('LTN0118', [...path, 'sha256'], { value: sha256, pattern: '64 hexadecimal digits' })
  else if (sha256 !== '' && inUrl !== undefined && inUrl !== sha256) {
    report('LTN0135', [...path, 'sha256'], { first: 'sha256', second: 'another digest in url' }, 'key')
  }
  if (url.startsWith('http://') && sha256 === '') {
    report('LTN0147', [...path, 'url'], {
      field: 'the download',
      reason: 'over http without sha256 anybody on the way can replace the module',
    })
  }
  if (spec.verificationKey !== undefined) {
    report('LTN0147', [...path, 'verificationKey'], { field: 'verificationKey', reason: 'no mesh reads it; sha256 is checked' }, 'key')
  }
  if (url.startsWith('file://') && spec.imagePullSecret !== undefined) {
    report('LTN0147', [...path, 'imagePullSecret'], { field: 'imagePullSecret', reason: 'the module is a file' }, 'key')
  }
}

export function checkProxyConfig({ spec }: ProxyConfig, report: Report): void {
  checkSelector(spec.selector, ['spec', 'selector'], report)
  if (spec.concurrency !== undefined && spec.concurrency < 0) {
    report('LTN0117', ['spec', 'concurrency'], { value: spec.concurrency, bound: 'at least 0' })
  }
  for (const name of Object.keys(spec.environmentVariables ?? {})) {
    if (/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name)) continue
    report('LTN0118', ['spec', 'environmentVariables', name], { value: name, pattern: 'the name of an environment variable' }, 'key')
  }
}
