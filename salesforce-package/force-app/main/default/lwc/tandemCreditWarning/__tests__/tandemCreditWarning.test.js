import { createElement } from 'lwc';
import { getRecord } from 'lightning/uiRecordApi';
import TandemCreditWarning from 'c/tandemCreditWarning';

const plain = (fields) => Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, { value }]));

function opportunity(own, account) {
    const fields = plain({ Amount: 500, IsClosed: false, ...own });
    fields.Account = account === null ? { value: null } : { value: { fields: plain(account) } };
    return { apiName: 'Opportunity', fields };
}

const WELL = {
    Name: 'Acme',
    Tandem_Blocked__c: false,
    Tandem_Credit_Limit__c: 1000,
    Tandem_Headroom__c: 900,
    Tandem_Credit_State__c: 'ok',
    Tandem_Overdue__c: 0
};

async function warnings(own, account) {
    const element = createElement('c-tandem-credit-warning', { is: TandemCreditWarning });
    element.recordId = '006000000000001AAA';
    document.body.appendChild(element);
    getRecord.emit(opportunity(own, account));
    await Promise.resolve();
    return [...element.shadowRoot.querySelectorAll('[data-id="warning"]')].map((one) => one.textContent);
}

describe('c-tandem-credit-warning', () => {
    afterEach(() => document.body.replaceChildren());

    it('is silent when all is well, when there is no limit, no account, or the opportunity is closed', async () => {
        expect(await warnings({}, WELL)).toEqual([]);
        expect(await warnings({ Amount: 5000 }, { ...WELL, Tandem_Credit_Limit__c: null })).toEqual([]);
        expect(await warnings({}, null)).toEqual([]);
        expect(await warnings({ IsClosed: true }, { ...WELL, Tandem_Headroom__c: -5 })).toEqual([]);
    });

    it.each([
        [{ Tandem_Headroom__c: -50 }, 'Acme is over its credit limit by €50.00'],
        [{ Tandem_Headroom__c: 400 }, 'This opportunity (€500.00) goes over the credit that Acme has left (€400.00)'],
        [
            { Tandem_Headroom__c: 600, Tandem_Credit_State__c: 'near' },
            'Acme is close to its credit limit: €600.00 left'
        ],
        [{ Tandem_Blocked__c: true }, 'Acme is blocked'],
        [{ Tandem_Overdue__c: 7 }, 'Acme has €7.00 overdue']
    ])('warns of %j', async (account, words) => {
        const found = await warnings({}, { ...WELL, ...account });
        expect(found).toHaveLength(1);
        expect(found[0]).toContain(words);
    });

    it('does not compare two currencies', async () => {
        // An account in dollars of a company whose books are in euros: its credit is in euros.
        const found = await warnings(
            { CurrencyIsoCode: 'USD' },
            { ...WELL, CurrencyIsoCode: 'USD', Tandem_Currency__c: 'EUR' }
        );
        expect(found[0]).toContain('The opportunity is in USD, the credit of Acme in EUR');
        // The same in an org with one currency.
        const one = await warnings({}, { ...WELL, Tandem_Currency__c: 'CHF' });
        expect(one[0]).toContain('The opportunity is in EUR, the credit of Acme in CHF');
    });

    it('takes an opportunity without an amount for nothing', async () => {
        expect(await warnings({ Amount: null }, { ...WELL, Tandem_Headroom__c: 0 })).toEqual([]);
    });

    it('says what kept it', async () => {
        const element = createElement('c-tandem-credit-warning', { is: TandemCreditWarning });
        document.body.appendChild(element);
        getRecord.error({ message: 'no access' });
        await Promise.resolve();
        expect(element.shadowRoot.querySelector('[data-id="problem"]').textContent).toContain('no access');
    });
});
