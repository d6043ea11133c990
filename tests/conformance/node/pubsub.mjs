// salesforce-pubsub-api-client, written for the real service, against the simulator. Each step names the fact and its source.
import assert from 'node:assert/strict';
import PubSubApiClient from 'salesforce-pubsub-api-client';

const { SALESFORCE: loginUrl, PUBSUB: pubSubEndpoint } = process.env;
const topic = '/event/Tandem_Change__e';
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
async function connected() {
  const client = new PubSubApiClient(
    {
      authType: 'oauth-client-credentials',
      loginUrl,
      clientId: 'tandem',
      clientSecret: 'tandem-secret',
      pubSubEndpoint,
      rejectUnauthorizedSsl: false,
    },
    quiet,
  );
  await client.connect();
  return client;
}

/** Collects events until there are `count`, on a client of its own: one holds one subscription a topic. */
async function collect(subscribe, count) {
  const client = await connected();
  try {
    return await new Promise((resolve, reject) => {
      const events = [];
      const timer = setTimeout(() => reject(new Error(`${events.length} of ${count} events in 15 s`)), 15_000);
      subscribe(client, (subscription, type, data) => {
        if (type === 'event') {
          events.push(data);
          if (events.length === count) {
            clearTimeout(timer);
            // The client decodes each response on its own and may tell a later one first.
            resolve(events.sort((one, other) => Number(one.replayId) - Number(other.replayId)));
          }
        } else if (type === 'error') {
          clearTimeout(timer);
          reject(data);
        }
      });
    });
  } finally {
    client.close();
  }
}

/** Collects what happens from now on; resolves to a promise of the events once the subscription stands. */
async function listen(name, count) {
  const subscriptions = async () => (await admin('GET', '/admin/log')).calls[`SUBSCRIBE ${name}`] ?? 0;
  const before = await subscriptions();
  const events = collect((client, callback) => client.subscribe(name, callback), count);
  const until = Date.now() + 10_000;
  while ((await subscriptions()) === before) {
    assert.ok(Date.now() < until, `no subscription to ${name} in 10 s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { events };
}

async function admin(method, path, body) {
  const response = await fetch(loginUrl + path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  assert.ok(response.ok, `${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

function step(name) {
  console.log(`ok - ${name}`);
}

// This client leaves the stream of a closed client open, and cannot hear that it ended: as in an org it ends with its token, so
// tokens live longer here than the clock is moved below.
await admin('PUT', '/admin/settings', { token_seconds: 1_000_000 });
const client = await connected();
step('signs in by client credentials and userinfo (shared facts, Sign-in)');

// A record changed by a person is told after commit, with the package's fields (salesforce-package).
const [id] = await admin('POST', '/admin/opportunities', { count: 1 });
const told = await listen(topic, 1);
await admin('POST', `/admin/update/Opportunity/${id}`, { StageName: 'Closed Won' });
const [event] = await told.events;
assert.equal(event.payload.Record_Id__c, id);
assert.equal(event.payload.Object__c, 'Opportunity');
assert.equal(event.payload.Operation__c, 'UPDATE');
assert.ok(event.payload.CreatedDate > 0);
step('subscribes from LATEST and reads the package event by its Avro schema (Pub/Sub API)');

// Replay: what came after a replay id comes again, in order.
for (const stage of ['Negotiation/Review', 'Closed Won']) {
  await admin('POST', `/admin/update/Opportunity/${id}`, { StageName: stage });
}
const again = await collect((client, callback) => client.subscribeFromReplayId(topic, callback, 100, event.replayId), 2);
assert.ok(again[0].replayId > event.replayId && again[1].replayId > again[0].replayId);
const all = await collect((client, callback) => client.subscribeFromEarliestEvent(topic, callback, 3), 3);
assert.deepEqual(all.map((one) => one.replayId), [event.replayId, again[0].replayId, again[1].replayId]);
step('replays from a replay id and from EARLIEST, in order (replay presets)');

// Publish, and hear it.
const heard = await listen(topic, 1);
const published = await client.publish(topic, {
  CreatedDate: Date.now(),
  CreatedById: '0055g00000ABCDEAA4',
  Record_Id__c: { string: id },
  Object__c: { string: 'Opportunity' },
  Operation__c: { string: 'UPDATE' },
  Changed_Fields__c: null,
  Sequence__c: { double: 7 },
  Version__c: { string: '1' },
});
assert.ok(published.replayId > again[1].replayId);
assert.equal((await heard.events)[0].payload.Sequence__c, 7);
step('publishes an event and hears it (Publish)');

// Change data capture, with the changed fields decoded from their bitmap.
const captured = await listen('/data/AccountChangeEvent', 2);
const made = await admin('POST', '/admin/create/Account', { Name: 'Captured', Phone: '1' });
await admin('POST', `/admin/update/Account/${made.id}`, { Phone: '2', BillingCity: 'Köln' });
const [created, updated] = await captured.events;
assert.equal(created.payload.ChangeEventHeader.changeType, 'CREATE');
assert.deepEqual(created.payload.ChangeEventHeader.recordIds, [made.id]);
assert.equal(updated.payload.ChangeEventHeader.changeType, 'UPDATE');
const changed = updated.payload.ChangeEventHeader.changedFields;
assert.ok(changed.includes('Phone') && changed.includes('BillingCity') && !changed.includes('Name'), String(changed));
assert.equal(updated.payload.BillingCity, 'Köln');
step('change events carry header and changed-fields bitmap (Change Data Capture guide)');

// A schema that changes has another id; old and new events are both read.
await admin('POST', '/admin/events/Tandem_Change__e/fields', { name: 'Extra__c', type: 'string' });
const newer = await listen(topic, 1);
await admin('POST', '/admin/publish', { fields: { Record_Id__c: id, Object__c: 'Opportunity', Extra__c: 'new' } });
assert.equal((await newer.events)[0].payload.Extra__c, 'new');
const both = await collect((client, callback) => client.subscribeFromReplayId(topic, callback, 100, again[1].replayId), 4);
// What was published, the account made and changed above, and the newer one.
assert.deepEqual(both.map((one) => one.payload.Extra__c), [undefined, undefined, undefined, 'new']);
step('reads events of an old and of a new schema (GetSchema by id)');

// After 72 hours the replay id is refused with Salesforce's own code.
await admin('PUT', '/admin/clock', { offset_ms: 96 * 3600 * 1000 });
await admin('POST', '/admin/publish', { fields: { Record_Id__c: id, Object__c: 'Opportunity' } });
const refused = await collect((client, callback) => client.subscribeFromReplayId(topic, callback, 100, event.replayId), 1).then(
  () => assert.fail('an expired replay id was taken'),
  (error) => error,
);
assert.match(String(refused.message ?? refused), /replayid\.validation\.failed/);
step('an expired replay id fails with sfdc.platform.eventbus.grpc.subscription.fetch.replayid.validation.failed');

client.close();
process.exit(0);
