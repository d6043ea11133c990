import { choiceLabel } from 'c/tandemChoice';

describe('choices', () => {
    it('say what they do', () => {
        expect(choiceLabel('send anyway')).toBe('Send although over the limit');
        expect(choiceLabel("keep B1's")).toBe('Take the value of SAP Business One');
        expect(choiceLabel('cancel the order')).toBe('Cancel the order in SAP Business One');
        expect(choiceLabel('link with C20000')).toBe('It is the same as C20000');
        expect(choiceLabel('approve 0123456789abcdef')).toBe('Do it, as it was rehearsed');
    });

    it('of a plugin of the company stand as it words them', () => {
        expect(choiceLabel('ask the warehouse')).toBe('ask the warehouse');
        expect(choiceLabel('constructor')).toBe('constructor');
    });
});
