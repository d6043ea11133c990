import lwc from '@salesforce/eslint-config-lwc/recommended.js';
import jest from 'eslint-plugin-jest';

export default [
    ...lwc.map((config) => ({ files: ['force-app/**/*.js'], ...config })),
    {
        files: ['force-app/**/__tests__/*.js'],
        ...jest.configs['flat/recommended'],
        languageOptions: { globals: { ...jest.environments.globals.globals, require: 'readonly' } },
        // A test speaks for the platform: it emits what the adapter gives.
        rules: { ...jest.configs['flat/recommended'].rules, '@lwc/lwc/no-unexpected-wire-adapter-usages': 'off' }
    }
];
