// The mesh's access log, in Istio's text format unless the mesh says another.
import { any } from '../../envoy/any.ts'
import type { AccessLog } from '../../envoy/generated/messages.gen.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'

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
        logFormat: { textFormatSource: { inlineString } },
      }),
    },
  ]
}
