// Calls a tool of an MCP server, given its URL in JSON on standard input: registers a client unless
// it is given a `client_id`, opens $BROWSER to sign in, and writes the result to standard output.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const { url, tool, toolArguments, client_id } = JSON.parse(await text(process.stdin))
const callback = Promise.withResolvers()
const listener = createServer((request, response) => {
  response.end('You may close this page.')
  callback.resolve(new URL(request.url, 'http://127.0.0.1').searchParams)
})
await once(listener.listen(0, '127.0.0.1'), 'listening')

const held = { client: client_id && { client_id } }
const provider = {
  redirectUrl: `http://127.0.0.1:${listener.address().port}/callback`,
  get clientMetadata() {
    return {
      client_name: 'A program in TypeScript',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    }
  },
  clientInformation: () => held.client,
  saveClientInformation: (client) => {
    held.client = client
  },
  tokens: () => held.tokens,
  saveTokens: (tokens) => {
    held.tokens = tokens
  },
  codeVerifier: () => held.verifier,
  saveCodeVerifier: (verifier) => {
    held.verifier = verifier
  },
  redirectToAuthorization: ({ href }) => {
    execFile(process.env.BROWSER, [href], (error) => error && callback.reject(error))
  },
}

async function connected() {
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider })
  const client = new Client({ name: 'journey', version: '1.0.0' })
  try {
    await client.connect(transport)
    return client
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error
    await transport.finishAuth((await callback.promise).get('code'))
    return connected()
  }
}

const client = await connected()
const result = await client.callTool({ name: tool, arguments: toolArguments })
console.log(JSON.stringify(result))
await client.close()
listener.close()
