// Paths of authorization policies: exact, 'prefix*', '*suffix', '*', or a URI template with {*} (one segment) and {**} (any, last).
// Envoy's uri_template matcher decides the same way; what it would refuse is refused here.

const LITERAL_SEGMENT = /^[A-Za-z0-9\-._~!$&'()+,;:@=%]*$/

/** What is wrong with a path, or undefined. */
export function pathTemplateProblem(path: string): string | undefined {
  if (!/[{}]/.test(path)) return undefined
  let open = false
  for (const segment of path.split('/')) {
    const isOperator = segment === '{*}' || segment === '{**}'
    if (isOperator && open) return 'nothing templated may follow {**}'
    if (segment === '{**}') open = true
    if (isOperator) continue
    if (/[{}]/.test(segment)) return `the segment '${segment}' mixes an operator with text, or is no operator`
    if (segment.includes('*')) return "'*' and operators cannot be mixed"
    if (!LITERAL_SEGMENT.test(segment)) return `the segment '${segment}' has characters that a path cannot have`
  }
  return undefined
}
