// What a program on a device does: asks for codes, shows them, and polls, with every check of
// openid-client. A task in JSON on standard input; the tokens in JSON on standard output.
import { text } from 'node:stream/consumers'
import * as client from 'openid-client'
import { Person } from './person.mjs'

const { issuer, clientId, username, password, decision, audience } = JSON.parse(await text(process.stdin))
const config = await client.discovery(new URL(issuer), clientId, undefined, client.None(), {
  execute: [client.allowInsecureRequests],
})
const codes = await client.initiateDeviceAuthorization(config, { audience, scope: 'openid agents:run' })
const polling = client.pollDeviceAuthorizationGrant(config, codes).catch(({ error }) => ({ error }))
const end = new URL('/device?', issuer).href
const page = await new Person(username, password, decision).visit(codes.verification_uri_complete, end)
const tokens = await polling
const subject = tokens.error ? undefined : tokens.claims().sub
console.log(JSON.stringify({ ...tokens, page: page.search, subject }))
