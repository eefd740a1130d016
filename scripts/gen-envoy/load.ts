// Reads the .proto files of the installed package and yields plain descriptions of every reachable message and enum.
// Annotation and validation packages are left out: they carry options, never data that goes over the wire.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'
import { rootFiles } from './roots.ts'

/** One letter per wire meaning; src/envoy/codec/schema.ts reads the same letters. */
export type Kind = string

export interface FieldModel {
  readonly name: string
  readonly number: number
  /** A scalar's letter, `m` message, `e` enum, or a well-known type's letter (see WELL_KNOWN). */
  readonly kind: Kind
  readonly ref: string | undefined
  readonly repeated: boolean
  readonly mapKey: string | undefined
  /** A scalar that is sent although it is zero: `optional`, or a member of a oneof. */
  readonly presence: boolean
  readonly oneof: string | undefined
}

export interface MessageModel {
  readonly fullName: string
  /** Names below the package: ['Cluster', 'CommonLbConfig']. */
  readonly nesting: readonly string[]
  readonly packageName: string
  readonly fields: readonly FieldModel[]
}

export interface EnumModel {
  readonly fullName: string
  readonly nesting: readonly string[]
  readonly packageName: string
  readonly values: readonly (readonly [name: string, number: number])[]
}

export interface ProtoModel {
  readonly messages: readonly MessageModel[]
  readonly enums: readonly EnumModel[]
}

const deps = fileURLToPath(new URL('../../node_modules/@grpc/grpc-js-xds/deps/', import.meta.url))
const searchPath = [
  `${deps}envoy-api/`,
  `${deps}xds/`,
  `${deps}googleapis/`,
  fileURLToPath(new URL('../../src/envoy/protos/', import.meta.url)),
]
const ANNOTATIONS =
  /^(validate|udpa\/annotations|xds\/annotations|envoy\/annotations|google\/api\/(annotations|http|client)|google\/protobuf\/descriptor)/

const SCALARS: Readonly<Record<string, string>> = {
  double: 'd',
  float: 'f',
  int32: 'i',
  uint32: 'u',
  sint32: 'z',
  int64: 'I',
  uint64: 'U',
  sint64: 'Z',
  fixed32: 'x',
  fixed64: 'X',
  sfixed32: 'y',
  sfixed64: 'Y',
  bool: 'b',
  string: 's',
  bytes: 'B',
}

const WELL_KNOWN: Readonly<Record<string, string>> = {
  '.google.protobuf.Duration': 'D',
  '.google.protobuf.Timestamp': 'T',
  '.google.protobuf.Struct': 'S',
  '.google.protobuf.Value': 'V',
  '.google.protobuf.ListValue': 'L',
  '.google.protobuf.Any': 'A',
  '.google.protobuf.DoubleValue': 'Wd',
  '.google.protobuf.FloatValue': 'Wf',
  '.google.protobuf.Int32Value': 'Wi',
  '.google.protobuf.UInt32Value': 'Wu',
  '.google.protobuf.Int64Value': 'WI',
  '.google.protobuf.UInt64Value': 'WU',
  '.google.protobuf.BoolValue': 'Wb',
  '.google.protobuf.StringValue': 'Ws',
  '.google.protobuf.BytesValue': 'WB',
}

/** The reflection root over every root file; the tests use it as their oracle. */
export function loadReflection(): protobuf.Root {
  const root = new protobuf.Root()
  root.resolvePath = (_origin, target) => {
    if (ANNOTATIONS.test(target)) return null
    if (target === 'opentelemetry/proto/common/v1/common.proto') return root.resolvePath('', 'otel-common.proto')
    return searchPath.map((folder) => folder + target).find((path) => existsSync(path)) ?? target
  }
  root.loadSync([...rootFiles], { keepCase: true })
  root.resolveAll()
  return root
}

export function loadModel(root: protobuf.Root = loadReflection()): ProtoModel {
  const messages = new Map<string, MessageModel>()
  const enums = new Map<string, EnumModel>()
  const visit = (type: protobuf.ReflectionObject | null): void => {
    if (type instanceof protobuf.Enum) {
      if (!enums.has(type.fullName)) enums.set(type.fullName, enumModel(type))
    } else if (type instanceof protobuf.Type && !messages.has(type.fullName) && WELL_KNOWN[type.fullName] === undefined) {
      messages.set(type.fullName, messageModel(type))
      for (const field of type.fieldsArray) visit(field.resolvedType)
    }
  }
  for (const type of topLevelTypes(root)) visit(type)
  return { messages: sortByName(messages), enums: sortByName(enums) }
}

function topLevelTypes(root: protobuf.Root): protobuf.Type[] {
  const wanted = new Set(rootFiles)
  const found: protobuf.Type[] = []
  const walk = (namespace: protobuf.NamespaceBase): void => {
    for (const nested of namespace.nestedArray) {
      if (nested instanceof protobuf.Type) {
        const file = nested.filename ?? ''
        if (wanted.has(relative(file))) found.push(nested)
      } else if (nested instanceof protobuf.Namespace) walk(nested)
    }
  }
  walk(root)
  return found
}

function relative(file: string): string {
  const folder = searchPath.find((candidate) => file.startsWith(candidate))
  return folder === undefined ? file : file.slice(folder.length)
}

function messageModel(type: protobuf.Type): MessageModel {
  const fields = [...type.fieldsArray].sort((a, b) => a.id - b.id).map(fieldModel)
  return { fullName: type.fullName.slice(1), ...place(type), fields }
}

function enumModel(type: protobuf.Enum): EnumModel {
  return { fullName: type.fullName.slice(1), ...place(type), values: Object.entries(type.values) }
}

function place(type: protobuf.ReflectionObject): { nesting: string[]; packageName: string } {
  const nesting = [type.name]
  let parent = type.parent
  while (parent instanceof protobuf.Type) {
    nesting.unshift(parent.name)
    parent = parent.parent
  }
  return { nesting, packageName: parent === null ? '' : parent.fullName.slice(1) }
}

function fieldModel(field: protobuf.Field): FieldModel {
  const resolved = field.resolvedType
  const oneof = field.partOf !== null && !isSynthetic(field.partOf) ? field.partOf.name : undefined
  return {
    name: field.name,
    number: field.id,
    kind: kindOf(field),
    ref: resolved === null ? undefined : resolved.fullName.slice(1),
    repeated: field.repeated,
    mapKey: field instanceof protobuf.MapField ? scalar(field.keyType) : undefined,
    presence: resolved instanceof protobuf.Type || field.repeated || field instanceof protobuf.MapField ? false : field.partOf !== null,
    oneof,
  }
}

/** `optional int32 x` is a oneof of one member in the descriptor; it means presence and nothing else. */
function isSynthetic(oneof: protobuf.OneOf): boolean {
  return oneof.fieldsArray.length === 1 && oneof.name.startsWith('_')
}

function kindOf(field: protobuf.Field): Kind {
  const resolved = field.resolvedType
  if (resolved === null) return scalar(field.type)
  if (resolved instanceof protobuf.Enum) return resolved.fullName === '.google.protobuf.NullValue' ? 'i' : 'e'
  return WELL_KNOWN[resolved.fullName] ?? 'm'
}

function scalar(type: string): string {
  const letter = SCALARS[type]
  if (letter === undefined) throw new Error(`unknown scalar type ${type}; add it to SCALARS in scripts/gen-envoy/load.ts`)
  return letter
}

function sortByName<T extends { readonly fullName: string }>(map: ReadonlyMap<string, T>): T[] {
  return [...map.values()].sort((a, b) => (a.fullName < b.fullName ? -1 : 1))
}
