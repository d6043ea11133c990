const { jestConfig } = require('@salesforce/sfdx-lwc-jest/config');

module.exports = {
    ...jestConfig,
    setupFiles: ['<rootDir>/checks/labels.jest.cjs'],
    moduleNameMapper: { '^@salesforce/i18n/(locale|currency|timeZone)$': '<rootDir>/checks/i18n/$1.js' },
    modulePathIgnorePatterns: ['<rootDir>/dist/'],
    collectCoverageFrom: ['force-app/main/default/lwc/**/*.js', '!**/__tests__/**'],
    coverageReporters: ['text'],
    coverageThreshold: { global: { statements: 90, branches: 90, functions: 90, lines: 90 } }
};
