// The mesh's access log, in Istio's text format unless the mesh says another, or JSON.
import { any } from '../../envoy/any.ts'
import type { AccessLog, JsonObject, JsonValue, SubstitutionFormatString } from '../../envoy/generated/messages.gen.ts'
import type { AccessLogSettings, MeshSettings } from '../../model/mesh-settings.ts'

/** Istio's field names. */
const ISTIO_JSON_FORMAT: JsonObject = {
  start_time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
}

const ISTIO_FORMAT = [
  '[%START_TIME%]',
  '"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%"',
  '%RESPONSE_CODE%',
  '%RESPONSE_FLAGS%',
  '%RESPONSE_CODE_DETAILS%',
  '%CONNECTION_TERMINATION_DETAILS%',
  '"%UPSTREAM_TRANSPORT_FAILURE_REASON%"',
  '%BYTES_RECEIVED%',
  '%BYTES_SENT%',
  '%DURATION%',
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  '"%REQ(X-FORWARDED-FOR)%"',
  '"%REQ(USER-AGENT)%"',
  '"%REQ(X-REQUEST-ID)%"',
  '"%REQ(:AUTHORITY)%"',
  '"%UPSTREAM_HOST%"',
  '%UPSTREAM_CLUSTER_RAW%',
  '%UPSTREAM_LOCAL_ADDRESS%',
  '%DOWNSTREAM_LOCAL_ADDRESS%',
  '%DOWNSTREAM_REMOTE_ADDRESS%',
  '%REQUESTED_SERVER_NAME%',
  '%ROUTE_NAME%',
].join(' ')

export function accessLogs({ accessLog }: MeshSettings): readonly AccessLog[] {
  if (accessLog === undefined) return []
  const line = accessLog.format ?? ISTIO_FORMAT
  const inlineString = line.endsWith('\n') ? line : `${line}\n`
  return [
    {
      name: 'envoy.access_loggers.file',
      typedConfig: any('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
        path: accessLog.path,
        logFormat: accessLog.json === undefined ? { textFormatSource: { inlineString } } : jsonFormat(accessLog.json),
      }),
    },
  ]
}

function jsonFormat(json: NonNullable<AccessLogSettings['json']>): SubstitutionFormatString {
  return { jsonFormat: json === 'default' ? ISTIO_JSON_FORMAT : formatOf(json) }
}

/** What a format may hold: strings, and objects of them; anything else is written as its JSON. */
function formatOf(value: Readonly<Record<string, unknown>>): JsonObject {
  return Object.fromEntries(Object.entries(value).map(([name, inner]): [string, JsonValue] => [name, leafOf(inner)]))
}

function leafOf(value: unknown): JsonValue {
  if (typeof value === 'string') return value
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? formatOf({ ...value }) : JSON.stringify(value)
}
