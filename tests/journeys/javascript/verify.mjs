// Reads a token as a resource server would: {issuer, token, audience} in JSON on standard input,
// the claims in JSON on standard output. Any failed check ends the process with status 1.
import { deepStrictEqual } from 'node:assert'
import { text } from 'node:stream/consumers'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as oauth4webapi from 'oauth4webapi'

const insecure = { [oauth4webapi.allowInsecureRequests]: true } // http on loopback

const { issuer, token, audience } = JSON.parse(await text(process.stdin))
const url = new URL(issuer)
const discovered = await oauth4webapi.discoveryRequest(url, { algorithm: 'oauth2', ...insecure })
const metadata = await oauth4webapi.processDiscoveryResponse(url, discovered)

const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))
const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt' })

// And by every rule of RFC 9068 §4.
const request = new Request('http://resource.example/', {
  headers: { authorization: `Bearer ${token}` },
})
deepStrictEqual(
  { ...(await oauth4webapi.validateJwtAccessToken(metadata, request, audience, insecure)) },
  { ...payload },
)
console.log(JSON.stringify(payload))
