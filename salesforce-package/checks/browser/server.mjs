/* The page, and what an org answers behind it: records and Apex, from the Salesforce simulator. */
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = join(dirname(fileURLToPath(import.meta.url)), '../..');
const design = join(project, 'node_modules/@salesforce-ux/design-system/assets');
const page = (title) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<link rel="stylesheet" href="/assets/styles/salesforce-lightning-design-system.min.css">
<style>html, body { background: #f3f3f3 } body { padding: 1rem } main > * { display: block; margin-bottom: 1rem }</style></head>
<body class="slds-scope"><main></main><script src="/script.js"></script></body></html>`;

/** A person of the org, as the simulator knows one. */
async function signIn(salesforce) {
    const form = new URLSearchParams({
        grant_type: 'password',
        client_id: 'tandem',
        client_secret: 'tandem-secret',
        username: 'sales@example.org',
        password: 'any'
    });
    const response = await fetch(`${salesforce}/services/oauth2/token`, { method: 'POST', body: form });
    return (await response.json()).access_token;
}

/** The SOQL of an Apex method, with its parameters in place. The class itself is read: nothing is typed twice. */
async function soqlOf(name, params) {
    const [type, method] = name.split('.');
    const source = await readFile(join(project, `force-app/main/default/classes/${type}.cls`), 'utf8');
    const body = source.slice(source.indexOf(` ${method}(`));
    const [, elsewhere] = body.match(/^[^}]*?return (\w+\.\w+)\(\w+\);/) ?? [];
    if (elsewhere) {
        return soqlOf(elsewhere, params);
    }
    const [, soql] = body.match(/return \[([\s\S]*?)\];/);
    const literal = (value) => (Array.isArray(value) ? `(${value.map(literal)})` : `'${String(value)}'`);
    return soql
        .replace(/WITH (USER|SYSTEM)_MODE/, '')
        .replace(/:(\w+)/g, (_, parameter) => literal(params[parameter]))
        .replace(/\s+/g, ' ')
        .trim();
}

/** Serves the script; `script` is called for each page. Ends with `close`. */
export async function serve(salesforce, script) {
    const token = await signIn(salesforce);

    async function call(method, path, body) {
        const response = await fetch(salesforce + path, {
            method,
            headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
            body: body && JSON.stringify(body)
        });
        const text = await response.text();
        const answer = text ? JSON.parse(text) : null;
        if (!response.ok) {
            throw new Error(answer?.[0]?.message ?? text);
        }
        return answer;
    }
    const query = (soql) => call('GET', `/services/data/v64.0/query?q=${encodeURIComponent(soql)}`);

    async function record({ recordId, fields }) {
        const object = fields[0].split('.')[0];
        const names = fields.map((field) => field.slice(object.length + 1));
        const { records } = await query(`SELECT Id, ${names.join(', ')} FROM ${object} WHERE Id = '${recordId}'`);
        const shaped = (row) => ({
            fields: Object.fromEntries(
                Object.entries(row)
                    .filter(([name]) => name !== 'attributes')
                    .map(([name, value]) => [
                        name,
                        value?.attributes ? { value: shaped(value) } : { value, displayValue: null }
                    ])
            )
        });
        return { apiName: object, id: recordId, ...shaped(records[0]) };
    }

    /** What Apex reads from OrgLimits. */
    async function usage() {
        const limits = await call('GET', '/services/data/v64.0/limits');
        return ['HourlyPublishedPlatformEvents', 'DailyDeliveredPlatformEvents'].map((name) => ({
            name,
            used: limits[name].Max - limits[name].Remaining,
            allowed: limits[name].Max
        }));
    }

    async function apex(name, params) {
        switch (name) {
            case 'TandemActions.syncNow':
                return call('POST', `/admin/sync/${params.recordId}`);
            case 'TandemActions.answer':
                return call('PATCH', `/services/data/v64.0/sobjects/Tandem_Review__c/${params.reviewId}`, {
                    Tandem_Answer__c: params.choice
                });
            // Who has which permission set, the simulator does not know.
            case 'TandemSetup.org':
                return {
                    integrationUsers: 1,
                    people: 4,
                    unknownFields: [],
                    lacking: [],
                    invoicesRead: true,
                    events: await usage()
                };
            default:
                return (await query(await soqlOf(name, params))).records;
        }
    }

    const server = createServer(async (request, response) => {
        const path = new URL(request.url, 'http://page').pathname;
        const send = (status, type, body) => {
            response.writeHead(status, { 'Content-Type': type });
            response.end(body);
        };
        try {
            if (path === '/script.js') {
                return send(200, 'text/javascript', await script());
            }
            if (path.startsWith('/assets/')) {
                const file = join(design, normalize(path.slice('/assets'.length)));
                const type = { css: 'text/css', svg: 'image/svg+xml' }[file.split('.').pop()];
                return send(200, type ?? 'application/octet-stream', await readFile(file));
            }
            if (request.method !== 'POST') {
                return send(200, 'text/html', page('Tandem'));
            }
            const chunks = [];
            for await (const chunk of request) {
                chunks.push(chunk);
            }
            const params = JSON.parse(Buffer.concat(chunks).toString());
            const answer = path === '/record' ? await record(params) : await apex(path.slice('/apex/'.length), params);
            return send(200, 'application/json', JSON.stringify(answer));
        } catch (error) {
            return send(500, 'application/json', JSON.stringify({ message: error.message }));
        }
    });
    await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
    return { address: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
