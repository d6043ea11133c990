/* The labels as people see them, by name: `en` from the package, `de` from its German. */
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const entities = { '&apos;': "'", '&quot;': '"', '&lt;': '<', '&gt;': '>', '&amp;': '&' };
const plain = (text) => text.replace(/&\w+;/g, (entity) => entities[entity]);
const files = {
    en: [
        'force-app/main/default/labels/CustomLabels.labels-meta.xml',
        /<fullName>(?<name>\w+)<\/fullName>[\s\S]*?<value>(?<text>[\s\S]*?)<\/value>/g
    ],
    de: [
        'german/main/default/translations/de.translation-meta.xml',
        /<label>(?<text>[\s\S]*?)<\/label>\s*<name>(?<name>\w+)<\/name>/g
    ]
};

exports.labels = (language) => {
    const [file, pattern] = files[language];
    const found = [...readFileSync(join(__dirname, '..', file), 'utf8').matchAll(pattern)];
    return Object.fromEntries(found.map(({ groups }) => [groups.name, plain(groups.text)]));
};
