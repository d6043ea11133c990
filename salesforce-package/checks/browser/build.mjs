/* The components and Salesforce's own base components as one script for a browser, in one language. */
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';
import lwc from '@lwc/rollup-plugin';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import { rollup } from 'rollup';
import { labels } from '../labels.cjs';

const here = dirname(fileURLToPath(import.meta.url));
const project = join(here, '../..');

/** The modules that only an org has. */
function platform(texts, settings) {
    const made = '\0platform:';
    const own = [
        'lightning/uiRecordApi',
        'lightning/navigation',
        'lightning/platformShowToastEvent',
        '@salesforce/apex'
    ];
    return {
        name: 'platform',
        resolveId(id) {
            if (own.includes(id)) {
                return join(here, 'platform.js');
            }
            if (id.startsWith('c/')) {
                const name = id.slice(2);
                return join(project, 'force-app/main/default/lwc', name, `${name}.js`);
            }
            const ours = /^@salesforce\/(label|schema|apex|customPermission|i18n\/(locale|currency|timeZone)$)/.test(
                id
            );
            return ours ? made + id : null;
        },
        transform: (code) => code.replaceAll('import.meta.env.SSR', 'false'),
        load(id) {
            if (!id.startsWith(made)) {
                return null;
            }
            const [, kind, name] = id.slice(made.length).match(/^@salesforce\/(\w+)\/(.*)$/);
            switch (kind) {
                case 'label':
                    return `export default ${JSON.stringify(texts[name.replace('c.', '')])};`;
                case 'schema': {
                    const [objectApiName, ...path] = name.split('.');
                    return `export default ${JSON.stringify({ objectApiName, fieldApiName: path.join('.') })};`;
                }
                case 'apex':
                    return `import { apex } from ${JSON.stringify(join(here, 'platform.js'))}; export default apex('${name}');`;
                case 'i18n':
                    return `export default ${JSON.stringify(settings[name])};`;
                default:
                    return 'export default true;';
            }
        }
    };
}

/** The script's text. */
export async function build(language) {
    const settings = { locale: language === 'de' ? 'de-DE' : 'en-US', currency: 'EUR', timeZone: 'Europe/Berlin' };
    const bundle = await rollup({
        input: join(here, 'main.js'),
        plugins: [
            platform(labels(language), settings),
            lwc({
                rootDir: project,
                modules: [{ npm: 'lightning-base-components' }],
                enableDynamicComponents: true
            }),
            nodeResolve()
        ],
        onwarn: () => {}
    });
    const { output } = await bundle.generate({
        format: 'iife',
        inlineDynamicImports: true,
        // What the engine asks of Node.
        intro: "const process = { env: { NODE_ENV: 'production' } };"
    });
    await bundle.close();
    return output[0].code;
}
