// The token by which a pod proves to the CA which service account it is: a projected volume, which the kubelet rewrites long before the
// token ends. Read anew for each request, because a token that was kept is an old one. Used by certificate-manager.ts.
import { readFile } from 'node:fs/promises'
import { errorMessage } from '../../base/errors.ts'
import { Redacted } from '../../base/redacted.ts'
import { fail, type Result, succeed } from '../../base/result.ts'

export async function readTokenFile(file: string): Promise<Result<Redacted<string>>> {
  try {
    const token = (await readFile(file, 'utf8')).trim()
    return token === '' ? fail('', `the token file ${file} is empty`) : succeed(new Redacted(token))
  } catch (error) {
    return fail('', `cannot read the token ${file}: ${errorMessage(error)}; is the projected volume mounted?`)
  }
}
