// Prints what this version does not act on: every field below spec that yields 'not in force yet' (LTN0102), and the kinds that do
// as a whole (LTN0103, LTN0104); and what stock Envoys do and Lateen's own proxies do not yet (LTN0121). `node scripts/fields.ts [KIND]`.
import { denyingKinds, fieldsAtStockEnvoys, fieldsInForce, fieldsNotInForce } from '../src/api/in-force.ts'
import { kinds, schemaOf } from '../src/api/kinds.ts'

for (const info of kinds) {
  if (process.argv[2] !== undefined && process.argv[2] !== info.kind) continue
  const fields = fieldsNotInForce(info, schemaOf(info))
  const whole = fieldsInForce[info.kind] === undefined
  if (whole)
    console.log(
      `${info.kind}: not in force as a whole, ${fields.length} fields${denyingKinds.includes(info.kind) ? ' (selected workloads deny)' : ''}`,
    )
  else for (const field of fields) console.log(`${info.kind}: spec.${field}`)
  for (const field of fieldsAtStockEnvoys(info, schemaOf(info))) console.log(`${info.kind}: spec.${field} (at stock Envoys only)`)
}
