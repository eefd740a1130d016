// Access logs of listeners, connection managers and TCP proxies. Formats are checked here, compiled by telemetry/access-log-format.ts.
import { unpack } from '../../envoy/any.ts'
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import { checkJsonTemplate, checkTextFormat } from '../telemetry/access-log-format.ts'
import type { DecodeContext } from './decode-context.ts'
import { inlineText } from './decode-tls.ts'
import type { AccessLog } from './proxy-config.ts'

/** What Envoy writes when no format is given. */
export const DEFAULT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n'

export function decodeAccessLogs(logs: readonly envoy.AccessLog[] | undefined, at: string, context: DecodeContext): readonly AccessLog[] {
  return (logs ?? []).flatMap((log, index) => decodeAccessLog(log, `${at}[${index}]`, context) ?? [])
}

function decodeAccessLog(log: envoy.AccessLog, at: string, context: DecodeContext): AccessLog | undefined {
  const where = `${at}.typed_config`
  const file = unpack(log.typedConfig, 'envoy.extensions.access_loggers.file.v3.FileAccessLog')
  if (file !== undefined) {
    const path = file.path ?? ''
    if (path === '') return context.error(`${where}.path`, 'a file access log needs a path')
    const format: envoy.SubstitutionFormatString = file.logFormat ?? {
      textFormat: file.format,
      jsonFormat: file.jsonFormat ?? file.typedJsonFormat,
    }
    return withFormat(targetOf(path), format, `${where}.log_format`, context)
  }
  const stdout = unpack(log.typedConfig, 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog')
  if (stdout !== undefined) return withFormat({ kind: 'stdout' }, stdout.logFormat ?? {}, `${where}.log_format`, context)
  const stderr = unpack(log.typedConfig, 'envoy.extensions.access_loggers.stream.v3.StderrAccessLog')
  if (stderr !== undefined) return withFormat({ kind: 'stderr' }, stderr.logFormat ?? {}, `${where}.log_format`, context)
  return context.unsupported(at, `access log '${log.typedConfig?.['@type'] ?? log.name ?? ''}' is not supported`)
}

function targetOf(path: string): AccessLog['target'] {
  if (path === '/dev/stdout') return { kind: 'stdout' }
  return path === '/dev/stderr' ? { kind: 'stderr' } : { kind: 'file', path }
}

function withFormat(
  target: AccessLog['target'],
  format: envoy.SubstitutionFormatString,
  at: string,
  context: DecodeContext,
): AccessLog | undefined {
  const omitsEmptyValues = format.omitEmptyValues === true
  if (format.jsonFormat !== undefined) {
    for (const problem of checkJsonTemplate(format.jsonFormat)) context.unsupported(`${at}.json_format${problem.path}`, problem.message)
    return { target, format: { kind: 'json', template: format.jsonFormat }, omitsEmptyValues }
  }
  if (format.textFormatSource?.filename !== undefined) {
    return context.unsupported(`${at}.text_format_source.filename`, 'a format in a file is not supported')
  }
  const given = format.textFormat ?? inlineText(format.textFormatSource)
  const template = given === undefined || given === '' ? DEFAULT_FORMAT : given
  for (const problem of checkTextFormat(template)) context.unsupported(`${at}.text_format`, problem.message)
  return { target, format: { kind: 'text', template }, omitsEmptyValues }
}
