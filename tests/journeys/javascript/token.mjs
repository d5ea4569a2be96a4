// Gets a token with a client library: a task in JSON on standard input, the answer in JSON on
// standard output. Any error but a refusal ends the process with status 1.
import { text } from 'node:stream/consumers'
import { importJWK } from 'jose'
import * as oauth4webapi from 'oauth4webapi'
import * as openidClient from 'openid-client'

const insecure = { [oauth4webapi.allowInsecureRequests]: true } // http on loopback

async function withOpenidClient({ issuer, algorithm, client, grantType, parameters }) {
  const config = await openidClient.discovery(
    new URL(issuer),
    client.id,
    undefined,
    await clientAuthentication(openidClient, client),
    { algorithm, execute: [openidClient.allowInsecureRequests] },
  )
  return grantType === 'client_credentials'
    ? openidClient.clientCredentialsGrant(config, parameters)
    : openidClient.genericGrantRequest(config, grantType, parameters)
}

async function withOauth4webapi({ issuer, algorithm, client, grantType, parameters }) {
  const url = new URL(issuer)
  const discovered = await oauth4webapi.discoveryRequest(url, { algorithm, ...insecure })
  const metadata = await oauth4webapi.processDiscoveryResponse(url, discovered)
  const us = { client_id: client.id }
  const answer = await oauth4webapi.genericTokenEndpointRequest(
    metadata,
    us,
    await clientAuthentication(oauth4webapi, client),
    grantType,
    parameters,
    insecure,
  )
  return oauth4webapi.processGenericTokenEndpointResponse(metadata, us, answer)
}

async function clientAuthentication(library, client) {
  if (client.authentication === 'private_key_jwt') {
    const key = await importJWK(JSON.parse(client.secret))
    return library.PrivateKeyJwt({ key, kid: JSON.parse(client.secret).kid })
  }
  const methods = {
    client_secret_basic: library.ClientSecretBasic,
    client_secret_post: library.ClientSecretPost,
  }
  return methods[client.authentication](client.secret)
}

const libraries = { 'openid-client': withOpenidClient, oauth4webapi: withOauth4webapi }

/** The `error` of RFC 6749 §5.2. For a 401 the libraries throw the challenge, body unread. */
async function refused(error) {
  if (error.error) return { error: error.error }
  if (error instanceof oauth4webapi.WWWAuthenticateChallengeError) return error.response.json()
  throw error
}

const task = JSON.parse(await text(process.stdin))
console.log(JSON.stringify(await libraries[task.library](task).catch(refused)))
