// jsforce, written for the real service, against the simulator. Each step names the fact and its source.
import assert from 'node:assert/strict';
import jsforce from 'jsforce';

const { SALESFORCE: instance } = process.env;
const form = { grant_type: 'client_credentials', client_id: 'tandem', client_secret: 'tandem-secret' };
const signedIn = await fetch(`${instance}/services/oauth2/token`, { method: 'POST', body: new URLSearchParams(form) });
const { access_token: accessToken } = await signedIn.json();
const org = new jsforce.Connection({ instanceUrl: instance, accessToken, version: '64.0' });

function step(name) {
  console.log(`ok - ${name}`);
}

const identity = await org.identity();
assert.match(identity.user_id, /^005/);
step('the resource list leads to the identity (REST API guide, Resources by Version)');

assert.ok((await org.describeGlobal()).sobjects.some((one) => one.name === 'Opportunity' && one.keyPrefix === '006'));
assert.ok((await org.sobject('Account').describe()).fields.some((one) => one.name === 'Tandem_Card_Code__c' && one.externalId));
step('describes the org and its objects (REST API guide, Describe)');

const account = org.sobject('Account');
const made = await account.create([{ Name: 'Jsforce 1' }, { Name: 'Jsforce 2' }, { Phone: 'no name' }]);
assert.deepEqual(made.map((one) => one.success), [true, true, false]);
assert.equal(made[2].errors[0].statusCode, 'REQUIRED_FIELD_MISSING');
assert.equal((await account.update([{ Id: made[0].id, Phone: '7' }]))[0].success, true);
assert.deepEqual((await account.retrieve(made.slice(0, 2).map((one) => one.id))).map((one) => one.Phone), ['7', null]);
const [first, second] = [
  await account.upsert([{ Tandem_Card_Code__c: 'JSFORCE', Name: 'Upserted' }], 'Tandem_Card_Code__c'),
  await account.upsert([{ Tandem_Card_Code__c: 'JSFORCE', Name: 'Again' }], 'Tandem_Card_Code__c'),
];
assert.deepEqual([first[0].created, second[0].created, first[0].id], [true, false, second[0].id]);
step('creates, changes, reads and upserts many at once (REST API guide, sObject Collections)');

const found = await account.find({ Name: { $like: 'Jsforce%' } }, 'Id, Name').sort({ Name: -1 }).limit(5).execute();
assert.deepEqual(found.map((one) => one.Name), ['Jsforce 2', 'Jsforce 1']);
const families = await account.find({}, 'Id').include('Contacts').select('LastName').end().limit(1).execute();
assert.ok(families[0].Contacts.records.length > 0);
assert.equal(await org.sobject('Opportunity').count({ CreatedDate: { $lt: jsforce.SfDate.YESTERDAY } }), 0);
const rows = [];
await new Promise((resolve, reject) => {
  const query = org.query('SELECT Id FROM OpportunityLineItem').on('record', (row) => rows.push(row.Id));
  query.on('end', resolve).on('error', reject).run({ autoFetch: true, maxFetch: 10_000, scanAll: false });
});
assert.equal(new Set(rows).size, await org.sobject('OpportunityLineItem').count());
step('queries with conditions, child records, date literals, page after page (SOQL reference)');

const both = await org.requestPost('/composite', {
  allOrNone: true,
  compositeRequest: [
    { method: 'POST', url: '/services/data/v64.0/sobjects/Account', referenceId: 'made', body: { Name: 'Composite' } },
    { method: 'GET', url: '/services/data/v64.0/sobjects/Account/@{made.id}?fields=Name', referenceId: 'read' },
  ],
});
const [created, read] = both.compositeResponse;
assert.equal(created.httpHeaders.Location, `/services/data/v64.0/sobjects/Account/${created.body.id}`);
assert.equal(read.body.Name, 'Composite');
const batch = await org.requestPost('/composite/batch', { batchRequests: [{ method: 'GET', url: 'v64.0/limits' }] });
assert.equal(batch.results[0].statusCode, 200);
const tree = { attributes: { type: 'Account', referenceId: 'a' }, Name: 'Tree' };
tree.Contacts = { records: [{ attributes: { type: 'Contact', referenceId: 'b' }, LastName: 'Leaf' }] };
assert.deepEqual((await org.requestPost('/composite/tree/Account', { records: [tree] })).results.map((one) => one.referenceId), ['a', 'b']);
step('composite, batch and tree (REST API guide, Composite)');

const quick = { pollInterval: 50, pollTimeout: 20_000 };
const input = [{ Name: 'Bulk, with "quotes"' }, { Name: 'x'.repeat(300) }];
const loaded = await org.bulk2.loadAndWaitForResults({ object: 'Account', operation: 'insert', input, ...quick });
assert.deepEqual([loaded.successfulResults.length, loaded.failedResults.length], [1, 1]);
assert.match(loaded.failedResults[0].sf__Error, /^STRING_TOO_LONG/);
const streamed = [];
for await (const row of await org.bulk2.query("SELECT Name FROM Account WHERE Name LIKE 'Bulk%'", quick)) streamed.push(row.Name);
assert.deepEqual(streamed, ['Bulk, with "quotes"']);
step('loads and reads by Bulk API 2.0 (Bulk API 2.0 guide)');

const job = org.bulk.createJob('Account', 'insert');
const write = job.createBatch();
const told = new Promise((resolve, reject) => write.on('queue', () => write.poll(50, 20_000)).on('response', resolve).on('error', reject));
write.execute([{ Name: 'Async <&> 1' }, { Name: 'x'.repeat(300) }]);
const outcome = await told;
await job.close();
assert.deepEqual(outcome.map((one) => one.success), [true, false]);
assert.match(outcome[1].errors[0], /^STRING_TOO_LONG/);
org.bulk.pollInterval = 50;
const asynchronous = [];
for await (const row of await org.bulk.query("SELECT Name FROM Account WHERE Name LIKE 'Async%'")) asynchronous.push(row.Name);
assert.deepEqual(asynchronous, ['Async <&> 1']);
const stranger = new jsforce.Connection({ instanceUrl: instance, accessToken: 'nobody', version: '64.0' });
await assert.rejects(stranger.bulk.createJob('Account', 'insert').open(), { name: 'InvalidSessionId' });
step('loads and reads by the first Bulk API, in XML and CSV (Bulk API guide)');

const gone = await account.find({ Name: { $like: 'Jsforce%' } }).destroy();
assert.equal(gone.length, 2);
const hour = 3_600_000;
const deleted = await account.deleted(new Date(Date.now() - hour), new Date(Date.now() + hour));
assert.deepEqual(deleted.deletedRecords.map((one) => one.id).sort(), made.slice(0, 2).map((one) => one.id).sort());
assert.equal((await org.query("SELECT Id FROM Account WHERE Name LIKE 'Jsforce%'", { scanAll: true })).totalSize, 2);
step('deleted records are told and stay in the recycle bin (REST API guide, Get Deleted)');

assert.ok((await org.sobject('Tandem_Change__e').create({ Record_Id__c: made[0].id, Object__c: 'Account' })).success);
assert.equal(org.limitInfo.apiUsage.limit, 15_000_000);
step('publishes by REST, and reads Sforce-Limit-Info (Platform Events guide; REST API guide, Headers)');
