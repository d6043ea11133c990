import { createElement } from 'lwc';
import lines from '@salesforce/apex/TandemRecords.lines';
import stock from '@salesforce/apex/TandemRecords.stock';
import TandemStock from 'c/tandemStock';

jest.mock(
    '@salesforce/apex/TandemRecords.lines',
    () => ({ default: require('@salesforce/sfdx-lwc-jest').createApexTestWireAdapter(jest.fn()) }),
    { virtual: true }
);
jest.mock(
    '@salesforce/apex/TandemRecords.stock',
    () => ({ default: require('@salesforce/sfdx-lwc-jest').createApexTestWireAdapter(jest.fn()) }),
    { virtual: true }
);

const PRODUCT = '01t000000000001AAA';

function row(id, product, warehouse, inStock) {
    return {
        Id: id,
        Tandem_Product__c: product,
        Tandem_Warehouse__c: warehouse,
        Tandem_In_Stock__c: inStock,
        Tandem_Committed__c: 1,
        Tandem_On_Order__c: null,
        Tandem_Available__c: inStock - 1
    };
}

function show(recordId, objectApiName) {
    const element = createElement('c-tandem-stock', { is: TandemStock });
    Object.assign(element, { recordId, objectApiName });
    document.body.appendChild(element);
    return element;
}

const find = (element, id) => element.shadowRoot.querySelector(`[data-id="${id}"]`);
const all = (element, id) => [...element.shadowRoot.querySelectorAll(`[data-id="${id}"]`)];
const cells = (one) => [...one.children].map((cell) => cell.textContent);

describe('c-tandem-stock', () => {
    afterEach(() => document.body.replaceChildren());

    it('shows the warehouses of a product and their sum', async () => {
        const element = show(PRODUCT, 'Product2');
        expect(element.shadowRoot.querySelector('lightning-spinner')).not.toBeNull();
        await Promise.resolve();
        expect(stock.getLastConfig()).toEqual({ productIds: [PRODUCT] });
        stock.emit([row('s1', PRODUCT, '01', 5), row('s2', PRODUCT, '02', 2.5)]);
        await Promise.resolve();
        expect(all(element, 'row').map(cells)).toEqual([
            ['01', '5', '1', '0', '4'],
            ['02', '2.5', '1', '0', '1.5'],
            ['All', '7.5', '2', '0', '5.5']
        ]);
    });

    it('says that there is no stock record, and what kept it', async () => {
        const element = show(PRODUCT, 'Product2');
        stock.emit([]);
        await Promise.resolve();
        expect(find(element, 'empty').textContent).toContain('no stock record');
        stock.error({ message: 'no access' });
        await Promise.resolve();
        expect(find(element, 'problem').textContent).toContain('no access');
    });

    it('shows each line of an opportunity with what it wants', async () => {
        const element = show('006000000000001AAA', 'Opportunity');
        const other = '01t000000000002AAA';
        lines.emit([
            {
                Id: 'l1',
                Product2Id: PRODUCT,
                Product2: { Name: 'Pump' },
                Quantity: 3,
                Tandem_Availability__c: 'Enough',
                Tandem_Line_Status__c: 'Open'
            },
            {
                Id: 'l2',
                Product2Id: other,
                Product2: { Name: 'Seal' },
                Quantity: 9,
                Tandem_Availability__c: 'Expected',
                Tandem_Expected_Date__c: '2026-06-01'
            },
            {
                Id: 'l3',
                Product2Id: PRODUCT,
                Product2: { Name: 'Pump' },
                Quantity: 99,
                Tandem_Availability__c: 'Short'
            },
            { Id: 'l4', Product2Id: PRODUCT, Quantity: 1, Tandem_Availability__c: 'Otherwise' }
        ]);
        await Promise.resolve();
        expect(stock.getLastConfig()).toEqual({ productIds: [PRODUCT, other] });
        stock.emit([row('s1', PRODUCT, '01', 5)]);
        await Promise.resolve();
        expect(all(element, 'availability').map((one) => one.textContent)).toEqual([
            'Enough in stock',
            'Expected on Jun 1, 2026',
            'Not enough'
        ]);
        expect(all(element, 'group')).toHaveLength(4);
        expect(all(element, 'group')[0].textContent).toContain('3 wanted');
        expect(find(element, 'none').textContent).toContain('no stock record');
    });

    it('says that an opportunity has no products', async () => {
        const element = show('006000000000001AAA', 'Opportunity');
        lines.emit([]);
        await Promise.resolve();
        expect(find(element, 'empty').textContent).toContain('no products');
    });
});
