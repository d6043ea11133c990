/*
 * Converts the package, and what is deployed beside it, to metadata format and back into a folder; prints as JSON how many components of each kind there
 * are, and which did not come back.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sdr from '@salesforce/source-deploy-retrieve';

const { ComponentSet, MetadataConverter } = sdr;
const folder = process.argv[2];
const sources = ['force-app', 'german', 'access', 'sample', 'sign-in'];

const there = ComponentSet.fromSource({ fsPaths: sources });
const converter = new MetadataConverter();
const output = (format, name) => ({ type: 'directory', outputDirectory: join(folder, name) });
const metadata = await converter.convert(there, 'metadata', output('metadata', 'metadata'));
const deployed = ComponentSet.fromSource({ fsPaths: [metadata.packagePath] });
// Source format is only written into a project.
await mkdir(join(folder, 'source', 'force-app'), { recursive: true });
const project = { packageDirectories: [{ path: 'force-app', default: true }], sourceApiVersion: '64.0' };
await writeFile(join(folder, 'source', 'sfdx-project.json'), JSON.stringify(project));
const source = await converter.convert(deployed, 'source', output('source', 'source/force-app'));
const back = ComponentSet.fromSource({ fsPaths: [source.packagePath] });

/** Components and their children, by kind and full name. */
function names(set) {
    const found = new Set();
    for (const component of set.getSourceComponents()) {
        found.add(`${component.type.name}:${component.fullName}`);
        component.getChildren().forEach((child) => found.add(`${child.type.name}:${child.fullName}`));
    }
    return found;
}

const [before, after] = [names(there), names(back)];
const members = {};
for (const name of before) {
    const kind = name.split(':')[0];
    members[kind] = (members[kind] ?? 0) + 1;
}
const lost = [...before].filter((name) => !after.has(name));
console.log(JSON.stringify({ members, lost }));
