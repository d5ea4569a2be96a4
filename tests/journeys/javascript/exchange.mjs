// Exchanges a token with a client library (RFC 8693), by discovery. A task in JSON on standard input;
// the answer of the token endpoint in JSON on standard output.
import { text } from 'node:stream/consumers'
import * as oauth4webapi from 'oauth4webapi'
import * as openidClient from 'openid-client'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const insecure = { [oauth4webapi.allowInsecureRequests]: true } // http on loopback

async function withOpenidClient({ issuer, client, parameters }) {
  const config = await openidClient.discovery(
    new URL(issuer),
    client.id,
    undefined,
    openidClient.ClientSecretBasic(client.secret),
    { algorithm: 'oauth2', execute: [openidClient.allowInsecureRequests] },
  )
  return openidClient.genericGrantRequest(config, EXCHANGE, parameters)
}

async function withOauth4webapi({ issuer, client, parameters }) {
  const url = new URL(issuer)
  const discovered = await oauth4webapi.discoveryRequest(url, { algorithm: 'oauth2', ...insecure })
  const metadata = await oauth4webapi.processDiscoveryResponse(url, discovered)
  const us = [metadata, { client_id: client.id }]
  const asUs = [...us, oauth4webapi.ClientSecretPost(client.secret)]
  return oauth4webapi.processGenericTokenEndpointResponse(
    ...us,
    await oauth4webapi.genericTokenEndpointRequest(...asUs, EXCHANGE, parameters, insecure),
  )
}

const libraries = { 'openid-client': withOpenidClient, oauth4webapi: withOauth4webapi }
const task = JSON.parse(await text(process.stdin))
console.log(JSON.stringify(await libraries[task.library](task)))
