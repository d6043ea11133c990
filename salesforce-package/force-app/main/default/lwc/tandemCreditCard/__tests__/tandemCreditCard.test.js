import { createElement } from 'lwc';
import { getRecord } from 'lightning/uiRecordApi';
import openInvoices from '@salesforce/apex/TandemRecords.openInvoices';
import TandemCreditCard from 'c/tandemCreditCard';

jest.mock(
    '@salesforce/apex/TandemRecords.openInvoices',
    () => ({ default: require('@salesforce/sfdx-lwc-jest').createApexTestWireAdapter(jest.fn()) }),
    { virtual: true }
);

const ACCOUNT = {
    Tandem_Card_Code__c: 'C00001',
    Tandem_Blocked__c: false,
    Tandem_Balance__c: 700,
    Tandem_Open_Orders__c: 200,
    Tandem_Open_Deliveries__c: 100,
    Tandem_Exposure__c: 1000,
    Tandem_Credit_Limit__c: 4000,
    Tandem_Headroom__c: 3000,
    Tandem_Credit_State__c: 'ok',
    Tandem_Overdue__c: 300,
    Tandem_Ageing_30__c: 200,
    Tandem_Ageing_60__c: 100,
    Tandem_Ageing_90__c: 0,
    Tandem_Ageing_Over_90__c: null,
    Tandem_Synced_At__c: '2026-01-31T10:00:00.000Z'
};

const FRANCS = { Tandem_Company_Currency__c: 'CHF' };

const record = (changes = {}) => ({
    apiName: 'Account',
    fields: Object.fromEntries(
        Object.entries({ ...ACCOUNT, ...changes }).map(([name, value]) => [name, { value, displayValue: null }])
    )
});

function show() {
    const element = createElement('c-tandem-credit-card', { is: TandemCreditCard });
    element.recordId = '001000000000001AAA';
    document.body.appendChild(element);
    return element;
}

const find = (element, id) => element.shadowRoot.querySelector(`[data-id="${id}"]`);
const all = (element, id) => [...element.shadowRoot.querySelectorAll(`[data-id="${id}"]`)];

describe('c-tandem-credit-card', () => {
    afterEach(() => document.body.replaceChildren());

    it('waits, and says what kept it', async () => {
        const element = show();
        expect(element.shadowRoot.querySelector('lightning-spinner')).not.toBeNull();
        getRecord.error({ message: 'no access' });
        await Promise.resolve();
        expect(find(element, 'problem').textContent).toContain('no access');
        expect(find(element, 'problem').textContent).toContain('Tandem User');
    });

    it('says that there is no business partner', async () => {
        const element = show();
        getRecord.emit(record({ Tandem_Card_Code__c: null }));
        await Promise.resolve();
        expect(find(element, 'empty').textContent).toContain('no business partner');
    });

    it('shows what is used of the limit, and how old what is overdue is', async () => {
        const element = show();
        getRecord.emit(record());
        await Promise.resolve();
        expect(find(element, 'credit').textContent).toBe('€1,000.00 of €4,000.00 used, €3,000.00 left');
        const bar = element.shadowRoot.querySelector('[role="progressbar"]');
        expect(bar.getAttribute('aria-valuenow')).toBe('25');
        expect(bar.getAttribute('aria-label')).toBe('Credit used: 25 percent');
        expect(all(element, 'bucket').map((bucket) => bucket.getAttribute('aria-label'))).toEqual([
            '0-30 days: €200.00',
            '31-60 days: €100.00',
            '61-90 days: €0.00',
            'over 90 days: €0.00'
        ]);
        const widths = [...element.shadowRoot.querySelectorAll('.fill')].map((fill) => fill.style.width);
        expect(widths).toEqual(['100%', '50%', '0%', '0%']);
        expect(element.shadowRoot.querySelector('[slot="footer"]').textContent).toContain('Jan 31, 2026');
    });

    it.each([
        ['near', { Tandem_Exposure__c: 3500, Tandem_Headroom__c: 500 }, '88'],
        ['exceeded', { Tandem_Exposure__c: 5000, Tandem_Headroom__c: -1000 }, '100']
    ])('colours the bar when the credit is %s', async (state, changes, shown) => {
        const element = show();
        getRecord.emit(record({ ...changes, Tandem_Credit_State__c: state }));
        await Promise.resolve();
        expect(element.shadowRoot.querySelector(`.${state}`)).not.toBeNull();
        expect(element.shadowRoot.querySelector('[role="progressbar"]').getAttribute('aria-valuenow')).toBe(shown);
        expect(find(element, 'credit').textContent).toContain(state === 'near' ? 'left' : '€1,000.00 over the limit');
    });

    it('has no bar without a limit, and says when the partner is blocked', async () => {
        const element = show();
        getRecord.emit(record({ Tandem_Credit_Limit__c: null, Tandem_Blocked__c: true, Tandem_Synced_At__c: null }));
        await Promise.resolve();
        expect(element.shadowRoot.querySelector('[role="progressbar"]')).toBeNull();
        expect(find(element, 'credit').textContent).toBe('No credit limit. Exposure: €1,000.00');
        expect(find(element, 'blocked').textContent).toContain('Blocked');
    });

    it('lists open invoices with the days they are late, in the currency of the company', async () => {
        jest.useFakeTimers().setSystemTime(new Date('2026-02-10T12:00:00Z'));
        const element = show();
        // The account is kept in dollars, the company's books in francs.
        getRecord.emit(record({ CurrencyIsoCode: 'USD', Tandem_Currency__c: 'CHF' }));
        openInvoices.emit([
            { Id: 'a1', Name: 'Invoice 7', Tandem_Due_Date__c: '2026-02-01', Tandem_Open__c: 50, ...FRANCS },
            { Id: 'a2', Name: 'Invoice 8', Tandem_Due_Date__c: '2026-03-01', Tandem_Open__c: 60, ...FRANCS },
            { Id: 'a3', Name: 'Credit memo 1', Tandem_Open__c: -5, ...FRANCS }
        ]);
        await Promise.resolve();
        jest.useRealTimers();
        const rows = all(element, 'invoice').map((row) => row.textContent);
        expect(rows[0]).toContain('9 days overdue');
        expect(rows[0]).toContain('CHF\u00a050.00');
        expect(rows[1]).not.toContain('overdue');
        expect(rows[2]).toContain('-CHF\u00a05.00');
        expect(find(element, 'credit').textContent).toContain('CHF\u00a01,000.00');
        const links = [...element.shadowRoot.querySelectorAll('c-tandem-link')];
        expect(links.map((link) => link.recordId)).toEqual(['a1', 'a2', 'a3']);
    });

    it('says that nothing is open, and why the list cannot be shown', async () => {
        const element = show();
        getRecord.emit(record());
        openInvoices.emit([]);
        await Promise.resolve();
        expect(find(element, 'no-invoices')).not.toBeNull();
        openInvoices.error({ message: 'no such field' });
        await Promise.resolve();
        expect(find(element, 'invoice-problem').textContent).toContain('no such field');
    });
});
