import { day, daysSince, errorText, moment, money, own, quantity, text } from 'c/tandemText';

describe('c-tandem-text', () => {
    it('fills a label, each place as often as it stands there', () => {
        expect(text('{0} of {1}, {0}', 'a', 'b')).toBe('a of b, a');
        expect(text('{0}', undefined)).toBe('');
    });

    it('shows amounts in their currency, and in that of the org without one', () => {
        expect(money(1234.5, 'USD')).toBe('$1,234.50');
        expect(money(null)).toBe('€0.00');
        expect(quantity(1.25)).toBe('1.25');
        expect(quantity(undefined)).toBe('0');
    });

    it('shows days as they are and moments in the time zone of the reader', () => {
        expect(day('2026-01-31')).toBe('Jan 31, 2026');
        expect(day('')).toBe('');
        expect(moment('2026-01-31T23:30:00.000+0000')).toContain('Feb 1, 2026');
        expect(moment(undefined)).toBe('');
    });

    it('counts days by the calendar of the reader', () => {
        // 23:30 UTC is the next day in Berlin.
        expect(daysSince('2026-01-31', new Date('2026-01-31T23:30:00Z'))).toBe(1);
        expect(daysSince('2026-02-10', new Date('2026-02-01T12:00:00Z'))).toBe(-9);
    });

    it.each([
        [{ body: [{ message: 'a' }, { message: 'b' }] }, 'a, b'],
        [{ body: { message: 'c' } }, 'c'],
        [new Error('d'), 'd'],
        ['e', 'e']
    ])('reads an error of any shape', (error, words) => {
        expect(errorText(error)).toBe(words);
    });

    it('knows the rows of a package that carries a namespace, and those of one that does not', () => {
        const plain = { Id: '1', Tandem_Open__c: 5, other__Field__c: 6 };
        expect(own([{ Id: '1', tndm__Tandem_Open__c: 5, other__Field__c: 6 }])).toEqual([plain]);
        expect(own([plain])).toEqual([plain]);
        expect(own(undefined)).toEqual([]);
    });
});
