// The protocol's own TypeScript client against the host's tools: the one of today, and the one that most programs carry still.
import assert from 'node:assert/strict';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as ClientBefore } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportBefore } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const { MCP: address, TOKEN: token, ITEM: item, OPPORTUNITY: opportunity } = process.env;
const headers = (secret) => ({ requestInit: { headers: { Authorization: `Bearer ${secret}` } } });

async function looks(client, transport, how) {
  await client.connect(transport);
  const { tools } = await client.listTools();
  const stock = tools.find((tool) => tool.name === 'inventory_stock-of');
  assert.ok(stock?.outputSchema && stock.annotations.readOnlyHint === true, JSON.stringify(tools.map((tool) => tool.name)));
  const call = (name, input) => client.callTool({ name, arguments: input });
  const told = await call('inventory_stock-of', { item_code: item });
  assert.ok(!told.isError && told.structuredContent.item_code === item, JSON.stringify(told));
  const wrong = await call('inventory_stock-of', { item_code: 7 });
  assert.ok(wrong.isError && wrong.content[0].text.includes('item_code'), JSON.stringify(wrong));
  await assert.rejects(call('inventory_no-such-tool', {}), /no tool/);
  // What writes waits for a person, and tells so.
  const asked = await call('orders_send-again', { opportunity });
  assert.equal(asked.structuredContent?.state, 'waits for approval', JSON.stringify(asked));
  const stands = await call('tandem_call', { call: asked.structuredContent.call });
  assert.ok(stands.structuredContent.plan.length > 0, JSON.stringify(stands));
  const many = await Promise.all(Array.from({ length: 20 }, () => call('inventory_stock-of', { item_code: item })));
  assert.ok(many.every((one) => !one.isError), JSON.stringify(many));
  const { resourceTemplates } = await client.listResourceTemplates();
  assert.deepEqual(resourceTemplates.map((place) => place.uriTemplate), ['tandem://records/{record}']);
  const flows = await client.readResource({ uri: 'tandem://flows' });
  assert.equal(JSON.parse(flows.contents[0].text).flows.length, 7);
  await assert.rejects(client.readResource({ uri: 'tandem://records/no-such-record' }), /knows nothing/);
  const { prompts } = await client.listPrompts();
  assert.ok(prompts.some((prompt) => prompt.name === 'customer'));
  await client.close();
  console.log(`ok - ${how}`);
}

const own = { name: 'conformance', version: '1.0.0' };
await looks(new Client(own), new StreamableHTTPClientTransport(new URL(address), headers(token)), 'the client of today');
await looks(new ClientBefore(own), new TransportBefore(new URL(address), headers(token)), 'the client of before');
await assert.rejects(new Client(own).connect(new StreamableHTTPClientTransport(new URL(address), headers('tandem_0'))), /Nobody is signed in/);
console.log('ok - without a token of this host there is nothing');
