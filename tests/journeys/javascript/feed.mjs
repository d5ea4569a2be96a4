// Reads a revocation feed: {issuer, jwksUri, feed} in JSON on standard input, its claims in JSON on
// standard output. Any failed check ends the process with status 1.
import { text } from 'node:stream/consumers'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { issuer, jwksUri, feed } = JSON.parse(await text(process.stdin))
const keys = createRemoteJWKSet(new URL(jwksUri))
const { payload } = await jwtVerify(feed, keys, { issuer, typ: 'revocations+jwt' })
console.log(JSON.stringify(payload))
