// Paths to fields, as lists of steps while code works with them and as text when a person reads them.

export type FieldPath = readonly (string | number)[]

/** `spec.http[0].match[1].headers["end.user"]` */
export function formatPath(path: FieldPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[A-Za-z_][\w-]*$/.test(step)) text += text === '' ? step : `.${step}`
    else text += `[${JSON.stringify(step)}]`
  }
  return text
}

/** The inverse of formatPath; steps that it cannot read are dropped. */
export function parsePath(text: string): FieldPath {
  const steps: (string | number)[] = []
  for (const match of text.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([A-Za-z_][\w-]*)/g)) {
    if (match[1] !== undefined) steps.push(Number(match[1]))
    else if (match[2] !== undefined) steps.push(String(JSON.parse(match[2])))
    else if (match[3] !== undefined) steps.push(match[3])
  }
  return steps
}
