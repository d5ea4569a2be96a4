// What an app does after a sign-in, with a client library: refreshes twice, introspects, revokes,
// and refreshes once more. A task in JSON on standard input; all answers in JSON on standard output.
import { text } from 'node:stream/consumers'
import * as oauth4webapi from 'oauth4webapi'
import * as openidClient from 'openid-client'

const insecure = { [oauth4webapi.allowInsecureRequests]: true } // http on loopback

async function withOpenidClient({ issuer, client, refreshToken }) {
  const config = await openidClient.discovery(
    new URL(issuer),
    client.id,
    undefined,
    openidClient.ClientSecretBasic(client.secret),
    { algorithm: 'oauth2', execute: [openidClient.allowInsecureRequests] },
  )
  const refresh = (token) => openidClient.refreshTokenGrant(config, token)
  return refreshAndRevoke(refreshToken, {
    refresh,
    introspect: (token) => openidClient.tokenIntrospection(config, token),
    revoke: (token) => openidClient.tokenRevocation(config, token),
  })
}

async function withOauth4webapi({ issuer, client, refreshToken }) {
  const url = new URL(issuer)
  const discovered = await oauth4webapi.discoveryRequest(url, { algorithm: 'oauth2', ...insecure })
  const metadata = await oauth4webapi.processDiscoveryResponse(url, discovered)
  const us = [metadata, { client_id: client.id }]
  const asUs = [...us, oauth4webapi.ClientSecretPost(client.secret)]
  return refreshAndRevoke(refreshToken, {
    refresh: async (token) =>
      oauth4webapi.processRefreshTokenResponse(
        ...us,
        await oauth4webapi.refreshTokenGrantRequest(...asUs, token, insecure),
      ),
    introspect: async (token) =>
      oauth4webapi.processIntrospectionResponse(
        ...us,
        await oauth4webapi.introspectionRequest(...asUs, token, insecure),
      ),
    revoke: async (token) =>
      oauth4webapi.processRevocationResponse(
        await oauth4webapi.revocationRequest(...asUs, token, insecure),
      ),
  })
}

async function refreshAndRevoke(first, { refresh, introspect, revoke }) {
  const second = await refresh(first)
  const third = await refresh(second.refresh_token)
  const before = await introspect(third.access_token)
  await revoke(third.refresh_token)
  const after = await introspect(third.access_token)
  const refused = await refresh(third.refresh_token).catch((error) => error.error)
  const tokens = [first, second.refresh_token, third.refresh_token]
  return { tokens, access_token: third.access_token, before, after, refused }
}

const libraries = { 'openid-client': withOpenidClient, oauth4webapi: withOauth4webapi }
const task = JSON.parse(await text(process.stdin))
console.log(JSON.stringify(await libraries[task.library](task)))
