import { keysWithoutLabel, message, reason } from 'c/tandemReason';
import { labels } from '../../../../../../checks/labels.cjs';

const ENGLISH = 'Maxi-Teq (C20000) would exceed …';
const OVER = {
    key: 'orders.over_limit',
    with: {
        customer: 'Maxi-Teq (C20000)',
        limit: { amount: '500', currency: 'EUR' },
        used: { amount: '949270.14', currency: 'EUR' },
        more: { amount: '797706', currency: 'EUR' },
        tax: { said: [{ key: 'orders.with_tax' }] }
    }
};
const RATE = { key: 'orders.at_rate', with: { currency: 'USD', day: { day: '2026-01-31' } } };
const asked = (...parts) => ({ Tandem_Reason__c: ENGLISH, Tandem_Said__c: JSON.stringify(parts) });
const plain = (text) => text.replace(/\u00a0/g, ' ');

describe('a reason', () => {
    it('is said with amounts and days as the reader writes them', () => {
        expect(reason(asked(OVER, RATE))).toBe(
            'Maxi-Teq (C20000) would exceed the credit limit of €500.00: €949,270.14 used, this order €797,706.00 with tax; ' +
                "the order is in USD, taken at B1's rate of Jan 31, 2026"
        );
    });

    it('says lists, numbers, and what a system said itself', () => {
        const line = (number, item) => ({ said: [{ key: 'orders.line', with: { number: { number }, item } }] });
        const both = {
            key: 'orders.both_changed',
            with: { number: '17', what: [line('1', 'A1'), line('2000', 'A2')] }
        };
        expect(reason(asked(both, { text: 'Bestand zu klein (-10)' }))).toBe(
            'order 17: both sides changed line 1 (A1), line 2,000 (A2); Bestand zu klein (-10)'
        );
    });

    it('shows an amount whose currency is not known to the reader, too', () => {
        const total = { key: 'orders.total', with: { there: { amount: '5', currency: '$' }, wanted: { amount: '7' } } };
        expect(reason(asked(total))).toBe("B1's total before tax is 5.00 $, the opportunity's 7");
    });

    it('stays English as a whole where a key has no label or a place no parameter', () => {
        const { customer, ...few } = OVER.with;
        expect(customer).toBeDefined();
        for (const part of [{ key: 'bonus.too_high' }, { key: 'constructor' }, { ...OVER, with: few }]) {
            expect(reason(asked(RATE, part))).toBe(ENGLISH);
        }
        for (const none of [null, undefined, 'no JSON', '{}']) {
            expect(reason({ Tandem_Reason__c: ENGLISH, Tandem_Said__c: none })).toBe(ENGLISH);
        }
    });

    it("of a company's own plugin is said by the company's label", () => {
        const bonus = { key: 'bonus.too_high', with: { percent: { number: '12.5' } } };
        const reviews = [asked(OVER, { key: 'shared.failed', with: { what: { said: [bonus] } } }), {}];
        expect(keysWithoutLabel(reviews)).toEqual(['bonus.too_high']);
        expect(reason(asked(bonus), { 'bonus.too_high': 'a bonus of {percent} %' })).toBe('a bonus of 12.5 %');
    });
});

describe('what a record shows', () => {
    it('is said with keys where they say the same as its English, and nothing where that is empty', () => {
        const kept = JSON.stringify({
            text: 'order 17 created',
            said: [{ key: 'orders.created', with: { number: '17' } }]
        });
        expect(message('order 17', kept)).toBe('order 17 created');
        for (const english of ['by hand', '', null]) {
            expect(message(english, kept)).toBe(english);
        }
    });
});

describe('a reason in German', () => {
    it('has German words, points and commas', () => {
        jest.resetModules();
        for (const [name, text] of Object.entries(labels('de'))) {
            jest.doMock(`@salesforce/label/c.${name}`, () => ({ __esModule: true, default: text }), { virtual: true });
        }
        jest.doMock('@salesforce/i18n/locale', () => ({ __esModule: true, default: 'de-DE' }));
        const german = require('c/tandemReason');
        expect(plain(german.reason(asked(OVER, RATE)))).toBe(
            'Maxi-Teq (C20000) käme über das Kreditlimit von 500,00 €: 949.270,14 € sind belegt, dieser Auftrag bringt ' +
                '797.706,00 € mit Steuern dazu; der Auftrag ist in USD, gerechnet mit dem Kurs von SAP Business One am 31.01.2026'
        );
    });
});
