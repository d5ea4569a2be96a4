// Verifies one token a line with one and the same key set of jose, as a service does that runs on:
// {jwksUri, issuer, audience, options} on the first line, then tokens; "ok" or the error of each.
import { createInterface } from 'node:readline'
import { createRemoteJWKSet, jwtVerify } from 'jose'

let keys
let expected
for await (const line of createInterface({ input: process.stdin })) {
  if (keys === undefined) {
    const { jwksUri, options, ...rest } = JSON.parse(line)
    keys = createRemoteJWKSet(new URL(jwksUri), options)
    expected = rest
    continue
  }
  try {
    await jwtVerify(line, keys, { ...expected, typ: 'at+jwt' })
    console.log('ok')
  } catch (error) {
    console.log(error.code ?? String(error))
  }
}
