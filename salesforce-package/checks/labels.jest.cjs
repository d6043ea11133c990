/* The components' tests see the labels as people do. */
const { labels } = require('./labels.cjs');

for (const [name, text] of Object.entries(labels('en'))) {
    jest.doMock(`@salesforce/label/c.${name}`, () => ({ __esModule: true, default: text }), { virtual: true });
}
