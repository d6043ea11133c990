/*
 * Holds metadata and the scratch org's definition against Salesforce's own types, in the oldest and the newest version that is published:
 * an element, value or setting that one of them does not know, and one that it asks for. Prints what it finds as JSON by version.
 *
 *   node checks/types.mjs SCRATCH-DEFINITION FOLDER…
 */
import { readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import Ajv from 'ajv';
import { XMLParser } from 'fast-xml-parser';
import ts from 'typescript';

const require = createRequire(import.meta.url);
const parser = new XMLParser({ parseTagValue: false, ignoreDeclaration: true, isArray: () => true });
// Another language within the XML, which the types have as text.
const TEXTS = new Set(['LightningComponentBundle.targetConfigs']);
// Taken from the file's name, or spread over files of their own in source format.
const ELSEWHERE = new Set(['fullName', 'CustomObject.nameField', 'CustomObjectTranslation.caseValues']);
const [definition, ...folders] = process.argv.slice(2);

async function* sources(folder) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) {
            yield* sources(path);
        } else if (path.endsWith('-meta.xml')) {
            yield path;
        }
    }
}

/** Types of one version, by name. */
function version(name) {
    const file = require.resolve(`${name}/metadata`).replace(/\.js$/, '.d.ts');
    const checker = ts.createProgram([file], { skipLibCheck: true, strict: true, types: [] });
    const types = checker.getTypeChecker();
    const module = types.getSymbolAtLocation(checker.getSourceFile(file));
    const exported = new Map(types.getExportsOfModule(module).map((symbol) => [symbol.name, symbol]));
    const found = new Set();

    function compare(declared, value, path) {
        const type = types.getNonNullableType(declared);
        if (types.isArrayType(type)) {
            compare(types.getTypeArguments(type)[0], value, path);
        } else if (typeof value !== 'object') {
            const isEnumeration = type.isUnion() && type.types.every((one) => one.isStringLiteral());
            if (isEnumeration && !type.types.some((one) => one.value === value)) {
                found.add(`${path} = ${value}`);
            }
        } else if (!TEXTS.has(path)) {
            compareFields(type, value, path);
        }
    }

    function compareFields(type, value, path) {
        for (const [name, values] of Object.entries(value)) {
            const field = types.getPropertyOfType(type, name);
            if (field) {
                [values].flat().forEach((one) => compare(types.getTypeOfSymbol(field), one, `${path}.${name}`));
            } else {
                found.add(`${path}.${name} is not known`);
            }
        }
        for (const field of types.getPropertiesOfType(type)) {
            const asked = !(field.flags & ts.SymbolFlags.Optional) && !types.isArrayType(types.getTypeOfSymbol(field));
            const there = [field.name, `${path}.${field.name}`].some((name) => ELSEWHERE.has(name));
            if (asked && !there && !(field.name in value)) {
                found.add(`${path} has no ${field.name}`);
            }
        }
    }

    return {
        found,
        compare(name, value) {
            const symbol = exported.get(name);
            if (symbol) {
                compare(types.getDeclaredTypeOfSymbol(symbol), value, name);
            } else {
                found.add(`${name} is not known`);
            }
        }
    };
}

const scratch = JSON.parse(await readFile(definition, 'utf8'));
const versions = { oldest: version('salesforce-types-oldest'), newest: version('salesforce-types-newest') };
let files = 0;
for (const folder of folders) {
    for await (const file of sources(folder)) {
        const [[kind, [value]]] = Object.entries(parser.parse(await readFile(file, 'utf8')));
        Object.values(versions).forEach((one) => one.compare(kind, value));
        files += 1;
    }
}
for (const [name, settings] of Object.entries(scratch.settings ?? {})) {
    const kind = name[0].toUpperCase() + name.slice(1);
    Object.values(versions).forEach((one) => one.compare(kind, settings));
}
const schema = require('@salesforce/schemas/project-scratch-def.schema.json');
const isKnown = new Ajv({ strict: false, logger: false }).compile(schema);
const unknown = isKnown(scratch) ? [] : isKnown.errors.map((error) => `${error.instancePath} ${error.message}`);
const report = Object.entries(versions).map(([name, { found }]) => [name, [...found].sort()]);
console.log(JSON.stringify({ files, definition: unknown.slice(0, 5), ...Object.fromEntries(report) }));
