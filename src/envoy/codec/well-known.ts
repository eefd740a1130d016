// The well-known types as content of an Any: ProtoJSON puts their special form under `value`, and so do we.

import type { FieldSchema } from './schema.ts'
import { Schema } from './schema.ts'

const carriers =
  new Schema(`carriers|duration 1 D,timestamp 2 T,struct 3 S,value 4 V,list 5 L,double 6 Wd,float 7 Wf,int32 8 Wi,uint32 9 Wu,int64 10 WI,uint64 11 WU,bool 12 Wb,string 13 Ws,bytes 14 WB

`)

const NUMBERS: Readonly<Record<string, number>> = {
  'google.protobuf.Duration': 1,
  'google.protobuf.Timestamp': 2,
  'google.protobuf.Struct': 3,
  'google.protobuf.Value': 4,
  'google.protobuf.ListValue': 5,
  'google.protobuf.DoubleValue': 6,
  'google.protobuf.FloatValue': 7,
  'google.protobuf.Int32Value': 8,
  'google.protobuf.UInt32Value': 9,
  'google.protobuf.Int64Value': 10,
  'google.protobuf.UInt64Value': 11,
  'google.protobuf.BoolValue': 12,
  'google.protobuf.StringValue': 13,
  'google.protobuf.BytesValue': 14,
}

/** A field whose kind is that type; undefined for every other name. */
export function wellKnownField(name: string): FieldSchema | undefined {
  const number = NUMBERS[name]
  return number === undefined ? undefined : carriers.message('carriers')?.byNumber(number)
}
