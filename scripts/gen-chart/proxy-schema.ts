// The chart's `proxy` values are the injector's own configuration, field by field: this turns the injector's table into a schema.
import { CONFIG_FIELDS, type ConfigField } from '../../src/webhook/config-fields.ts'
import type { Schema } from './schema-words.ts'

/** Written by templates/_injection.tpl itself, from other values or from the release. */
export const CHART_OWNED: ReadonlySet<string> = new Set([
  'image',
  'imagePullPolicy',
  'imagePullSecrets',
  'controlPlane',
  'trustDomain',
  'revision',
  'revisionTags',
  'enableNamespacesByDefault',
  'rootConfigMap',
  'tokenAudience',
])

export function proxySchema(): Schema {
  const properties: Record<string, Schema> = {}
  for (const field of CONFIG_FIELDS) {
    const [head = '', inner] = field.name.split('.')
    if (CHART_OWNED.has(head)) continue
    const schema = schemaOf(field)
    const group = properties[head]
    properties[head] =
      inner === undefined
        ? schema
        : {
            description: `See ${head}.*`,
            type: 'object',
            additionalProperties: false,
            properties: { ...group?.properties, [inner]: schema },
          }
  }
  const description = "Sidecars, as they are injected: the injector's configuration. A pod's own annotations win"
  return { description, type: 'object', additionalProperties: false, properties }
}

function schemaOf({ is, help }: ConfigField): Schema {
  const description = help
  switch (is.type) {
    case 'text':
      return { description, type: 'string' }
    case 'boolean':
      return { description, type: 'boolean' }
    case 'choice':
      return { description, type: 'string', enum: is.of }
    case 'count':
      return { description, type: 'integer', minimum: is.lowest, maximum: is.highest }
    case 'duration':
      return { description, type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?(ms|s|m|h)([0-9]+(\\.[0-9]+)?(ms|s|m|h))*$' }
    case 'texts':
      return { description, type: 'array', items: { type: 'string' } }
    case 'quantities':
      return { description, type: 'object', additionalProperties: { type: ['string', 'number'] } }
    case 'selectors':
      return { description, type: 'array', items: { type: 'object' } }
    case 'templates':
      return { description, type: 'object', additionalProperties: { type: 'object' } }
    case 'probe':
      return { description, type: 'object', additionalProperties: { type: 'integer', minimum: 0 } }
  }
}
