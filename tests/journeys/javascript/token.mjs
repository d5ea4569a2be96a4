// Gets a token with a client library and verifies it: a task in JSON on standard input, what was
// seen in JSON on standard output. Any error but a refusal ends the process with status 1.
import { text } from 'node:stream/consumers'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as oauth4webapi from 'oauth4webapi'
import * as openidClient from 'openid-client'

const insecure = { [oauth4webapi.allowInsecureRequests]: true } // http on loopback

async function withOpenidClient({ issuer, algorithm, client, grantType, parameters }) {
  const config = await openidClient.discovery(
    new URL(issuer),
    client.id,
    undefined,
    clientAuthentication(openidClient, client),
    { algorithm, execute: [openidClient.allowInsecureRequests] },
  )
  const answer =
    grantType === 'client_credentials'
      ? await openidClient.clientCredentialsGrant(config, parameters)
      : await openidClient.genericGrantRequest(config, grantType, parameters)
  return { metadata: config.serverMetadata(), answer }
}

async function withOauth4webapi({ issuer, algorithm, client, grantType, parameters }) {
  const url = new URL(issuer)
  const metadata = await oauth4webapi.processDiscoveryResponse(
    url,
    await oauth4webapi.discoveryRequest(url, { algorithm, ...insecure }),
  )
  const us = { client_id: client.id }
  const response = await oauth4webapi.genericTokenEndpointRequest(
    metadata,
    us,
    clientAuthentication(oauth4webapi, client),
    grantType,
    parameters,
    insecure,
  )
  const answer = await oauth4webapi.processGenericTokenEndpointResponse(metadata, us, response)
  return { metadata, answer }
}

function clientAuthentication(library, client) {
  const methods = {
    client_secret_basic: library.ClientSecretBasic,
    client_secret_post: library.ClientSecretPost,
  }
  return methods[client.authentication](client.secret)
}

/** What a resource server sees: the claims, by RFC 9068 §4 and by the key set alone. */
async function verified(metadata, token, audience) {
  const request = new Request('http://resource.example/', {
    headers: { authorization: `Bearer ${token}` },
  })
  const byRfc9068 = await oauth4webapi.validateJwtAccessToken(metadata, request, audience, insecure)
  const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))
  const options = { issuer: metadata.issuer, audience, typ: 'at+jwt' }
  const { payload } = await jwtVerify(token, keys, options)
  if (JSON.stringify(byRfc9068) !== JSON.stringify(payload)) throw new Error('two readings')
  return payload
}

const libraries = { 'openid-client': withOpenidClient, oauth4webapi: withOauth4webapi }

async function seen(task) {
  try {
    const { metadata, answer } = await libraries[task.library](task)
    return { answer, claims: await verified(metadata, answer.access_token, task.audience) }
  } catch (refusal) {
    if (!refusal.error) throw refusal
    return { error: refusal.error, status: refusal.status }
  }
}

console.log(JSON.stringify(await seen(JSON.parse(await text(process.stdin)))))
