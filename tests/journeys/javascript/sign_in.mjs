// What a web application does: signs a person in, reads who it is, refreshes, revokes, and signs the
// person out, with every check of a client library. A task in JSON on standard input; what the
// application learned in JSON on standard output. Any failed check ends the process with status 1.
import { text } from 'node:stream/consumers'
import * as oauth4webapi from 'oauth4webapi'
import * as openidClient from 'openid-client'
import { Person } from './person.mjs'

const SCOPE = 'openid profile email offline_access agents:run'
const MAX_AGE = 300
const insecure = { [oauth4webapi.allowInsecureRequests]: true } // http on loopback

async function withOpenidClient({ issuer, client, pushes, proves }) {
  const config = await openidClient.discovery(
    new URL(issuer),
    client.id,
    undefined,
    authentication(openidClient, client),
    { execute: [openidClient.allowInsecureRequests, openidClient.enableNonRepudiationChecks] },
  )
  const keys = proves && (await openidClient.randomDPoPKeyPair())
  const options = proves ? { DPoP: openidClient.getDPoPHandle(config, keys) } : {}
  return {
    verifier: openidClient.randomPKCECodeVerifier,
    challenge: openidClient.calculatePKCECodeChallenge,
    random: openidClient.randomState,
    authorizationUrl: async (parameters) =>
      pushes
        ? openidClient.buildAuthorizationUrlWithPAR(config, parameters, options)
        : openidClient.buildAuthorizationUrl(config, parameters),
    redeem: async (url, { state, nonce, verifier }) => {
      const checks = {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
        maxAge: MAX_AGE,
      }
      const tokens = await openidClient.authorizationCodeGrant(config, url, checks, undefined, options)
      return { tokens, claims: tokens.claims() }
    },
    userInfo: (token, subject) => openidClient.fetchUserInfo(config, token, subject, options),
    refresh: (token) => openidClient.refreshTokenGrant(config, token, undefined, options),
    revoke: (token) => openidClient.tokenRevocation(config, token),
    logoutUrl: async (parameters) => openidClient.buildEndSessionUrl(config, parameters),
  }
}

async function withOauth4webapi({ issuer, client, redirectUri }) {
  const url = new URL(issuer)
  const discovered = await oauth4webapi.discoveryRequest(url, insecure)
  const metadata = await oauth4webapi.processDiscoveryResponse(url, discovered)
  const us = [metadata, { client_id: client.id }]
  const asUs = [...us, authentication(oauth4webapi, client)]
  return {
    verifier: oauth4webapi.generateRandomCodeVerifier,
    challenge: oauth4webapi.calculatePKCECodeChallenge,
    random: oauth4webapi.generateRandomState,
    authorizationUrl: async (parameters) => {
      const query = new URLSearchParams({ client_id: client.id, response_type: 'code', ...parameters })
      return new URL(`${metadata.authorization_endpoint}?${query}`)
    },
    redeem: async (returned, { state, nonce, verifier }) => {
      const parameters = oauth4webapi.validateAuthResponse(...us, returned, state)
      const answer = await oauth4webapi.authorizationCodeGrantRequest(
        ...asUs,
        parameters,
        redirectUri,
        verifier,
        insecure,
      )
      const tokens = await oauth4webapi.processAuthorizationCodeResponse(...us, answer, {
        expectedNonce: nonce,
        maxAge: MAX_AGE,
        requireIdToken: true,
      })
      await oauth4webapi.validateApplicationLevelSignature(metadata, answer, insecure)
      return { tokens, claims: oauth4webapi.getValidatedIdTokenClaims(tokens) }
    },
    userInfo: async (token, subject) =>
      oauth4webapi.processUserInfoResponse(
        ...us,
        subject,
        await oauth4webapi.userInfoRequest(...us, token, insecure),
      ),
    refresh: async (token) =>
      oauth4webapi.processRefreshTokenResponse(
        ...us,
        await oauth4webapi.refreshTokenGrantRequest(...asUs, token, insecure),
      ),
    revoke: async (token) =>
      oauth4webapi.processRevocationResponse(
        await oauth4webapi.revocationRequest(...asUs, token, insecure),
      ),
    logoutUrl: async (parameters) =>
      new URL(`${metadata.end_session_endpoint}?${new URLSearchParams(parameters)}`),
  }
}

function authentication(library, { authentication: method, secret }) {
  const methods = {
    client_secret_basic: library.ClientSecretBasic,
    client_secret_post: library.ClientSecretPost,
    none: library.None,
  }
  return methods[method](secret)
}

async function signInAndOut(library, { username, password, redirectUri, postLogoutRedirectUri, resource }) {
  const person = new Person(username, password)

  /** Sends the person to the issuer, and takes what comes back. */
  async function signIn(someone, more = {}) {
    const sent = { state: library.random(), nonce: library.random(), verifier: library.verifier() }
    const url = await library.authorizationUrl({
      redirect_uri: redirectUri,
      scope: SCOPE,
      resource,
      state: sent.state,
      nonce: sent.nonce,
      max_age: String(MAX_AGE),
      code_challenge: await library.challenge(sent.verifier),
      code_challenge_method: 'S256',
      ...more,
    })
    const returned = await someone.visit(url, redirectUri)
    return { returned, sent, result: library.redeem(returned, sent) }
  }

  const refusal = async (someone, more) => {
    const { result } = await signIn(someone, more)
    return result.then(() => 'no refusal', (error) => error.error ?? error.code)
  }

  const denied = await refusal(new Person(username, password, 'deny'))
  const first = await signIn(person)
  const { tokens, claims } = await first.result
  const silent = await (await signIn(person, { prompt: 'none' })).result
  const replayed = await library.redeem(first.returned, first.sent).catch((error) => error.error)
  const reused = await library.refresh(tokens.refresh_token).catch((error) => error.error)
  const user = await library.userInfo(silent.tokens.access_token, silent.claims.sub)
  const refreshed = await library.refresh(silent.tokens.refresh_token)
  await library.revoke(refreshed.refresh_token)
  const revoked = await library.refresh(refreshed.refresh_token).catch((error) => error.error)
  const logout = await library.logoutUrl({
    id_token_hint: silent.tokens.id_token,
    post_logout_redirect_uri: postLogoutRedirectUri,
    state: 'bye',
  })
  const goodbye = await person.visit(logout, postLogoutRedirectUri)
  const signedOut = await refusal(person, { prompt: 'none' })
  return {
    claims,
    user,
    access_token: tokens.access_token,
    scope: refreshed.scope,
    sessions: [claims.sid, silent.claims.sid],
    goodbye: goodbye.search,
    refusals: { denied, replayed, reused, revoked, signedOut },
  }
}

const libraries = { 'openid-client': withOpenidClient, oauth4webapi: withOauth4webapi }
const task = JSON.parse(await text(process.stdin))
console.log(JSON.stringify(await signInAndOut(await libraries[task.library](task), task)))
