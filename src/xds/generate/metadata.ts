// What every generated resource says about itself: the object and field that it came from, and the service that it is. Istio's keys, so
// that its tools and our proxy read the same thing; the field is ours.
import type { JsonObject, Metadata } from '../../envoy/generated/messages.gen.ts'
import type { Origin } from '../../model/origin.ts'
import type { ServiceName } from '../../model/service.ts'

export function metadataOf(from: {
  readonly origin?: Origin | undefined
  readonly field?: string | undefined
  readonly services?: readonly ServiceName[]
  readonly subset?: string | undefined
}): Metadata {
  const { origin, field, services = [], subset } = from
  const istio: JsonObject = {
    ...(origin === undefined ? {} : { config: configPath(origin) }),
    ...(services.length === 0 ? {} : { services: services.map(({ hostname, name, namespace }) => ({ host: hostname, name, namespace })) }),
    ...(subset === undefined ? {} : { subset }),
  }
  return { filterMetadata: { istio, ...(field === undefined ? {} : { lateen: { field } }) } }
}

/** Istio's form: `/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews`; `/api/v1/...` in the core group. */
export function configPath({ apiVersion, kind, namespace, name }: Origin): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const kebab = kind.replace(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase()
  return `${root}/namespaces/${namespace}/${kebab}/${name}`
}
