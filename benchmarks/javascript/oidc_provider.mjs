// node-oidc-provider in memory, for the same work: client credentials, signed JWT access tokens.
//
//   node oidc_provider.mjs PORT CLIENT_ID CLIENT_SECRET
//
// The resource `urn:benchmark:RS256` has tokens of that algorithm, and so has `…:ES256`.

import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import Provider from 'oidc-provider';

const [port, clientId, clientSecret] = process.argv.slice(2);
const scope = 'agents:read agents:run';

async function key(alg, type, options) {
  const { privateKey } = await promisify(generateKeyPair)(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid: alg, alg, use: 'sig' };
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: {
    keys: [
      await key('RS256', 'rsa', { modulusLength: 2048 }),
      await key('ES256', 'ec', { namedCurve: 'P-256' }),
    ],
  },
  clients: [
    {
      client_id: clientId,
      client_secret: clientSecret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      scope,
    },
  ],
  scopes: scope.split(' '),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource) => ({
        scope,
        audience: 'my-os',
        accessTokenFormat: 'jwt',
        accessTokenTTL: 900,
        jwt: { sign: { alg: resource.split(':').at(-1) } },
      }),
    },
  },
});

provider.listen(Number(port), '127.0.0.1');
