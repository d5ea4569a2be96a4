// node-oidc-provider in memory, for the same work: client credentials, signed JWT access tokens.
//
//   node oidc_provider.mjs PORT CLIENT_ID CLIENT_SECRET JWKS
//
// The resource `urn:benchmark:RS256` has tokens of that algorithm, and so has `…:ES256`.

import { readFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const [port, clientId, clientSecret, jwks] = process.argv.slice(2);
const scope = 'agents:read agents:run';

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: JSON.parse(readFileSync(jwks)),
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
