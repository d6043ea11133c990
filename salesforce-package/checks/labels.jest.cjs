/* The components' tests see the labels as people do. */
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const file = join(__dirname, '../force-app/main/default/labels/CustomLabels.labels-meta.xml');
const entities = { '&apos;': "'", '&quot;': '"', '&lt;': '<', '&gt;': '>', '&amp;': '&' };
const plain = (text) => text.replace(/&\w+;/g, (entity) => entities[entity]);

for (const [, name, value] of readFileSync(file, 'utf8').matchAll(
    /<fullName>(\w+)<\/fullName>[\s\S]*?<value>([\s\S]*?)<\/value>/g
)) {
    jest.doMock(`@salesforce/label/c.${name}`, () => ({ __esModule: true, default: plain(value) }), { virtual: true });
}
