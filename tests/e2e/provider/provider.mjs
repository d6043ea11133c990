// A real OpenID provider on this machine: `node provider.mjs '{"issuer": …, "console": …, "people": { name: { claims } }}'`. Whoever says a
// name is that person; what is not in the token is told to who asks for it (userinfo), as the standard has it. Each start has a key of its own.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.TANDEM_PROVIDER, 'package.json'));
const { default: Provider } = await import(require.resolve('oidc-provider'));

const { issuer, console: home, people } = JSON.parse(process.argv[2]);
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'tandem',
      client_secret: 'tandem-secret',
      redirect_uris: [`${home}/api/v1/session/oidc/back`],
      post_logout_redirect_uris: [`${home}/`],
    },
    // A program that calls tools for people.
    { client_id: 'desk', client_secret: 'desk-secret', redirect_uris: ['http://127.0.0.1:7/back'] },
  ],
  features: {
    // Access tokens for what they are asked for (RFC 8707), as JWT: whoever takes them needs not ask here.
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        scope: 'tandem.tools other',
        audience: resource,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
      useGrantedResource: () => true,
    },
  },
  extraTokenClaims: (_, token) => people[token.accountId],
  cookies: { keys: [randomUUID()] },
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' }] },
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'], email: ['email', 'email_verified'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
});
const { hostname, port } = new URL(issuer);
provider.listen(Number(port), hostname);
