import { createElement } from 'lwc';
import { getRecord, notifyRecordUpdateAvailable } from 'lightning/uiRecordApi';
import { refreshApex } from '@salesforce/apex';
import deliveries from '@salesforce/apex/TandemRecords.deliveries';
import invoices from '@salesforce/apex/TandemRecords.invoices';
import openReviews from '@salesforce/apex/TandemRecords.openReviews';
import syncNow from '@salesforce/apex/TandemActions.syncNow';
import TandemOrderTimeline from 'c/tandemOrderTimeline';

jest.mock(
    '@salesforce/apex/TandemRecords.deliveries',
    () => ({ default: require('@salesforce/sfdx-lwc-jest').createApexTestWireAdapter(jest.fn()) }),
    { virtual: true }
);
jest.mock(
    '@salesforce/apex/TandemRecords.invoices',
    () => ({ default: require('@salesforce/sfdx-lwc-jest').createApexTestWireAdapter(jest.fn()) }),
    { virtual: true }
);
jest.mock('@salesforce/apex', () => ({ refreshApex: jest.fn() }), { virtual: true });
jest.mock('@salesforce/apex/TandemRecords.openReviews', () => ({ default: jest.fn() }), { virtual: true });
jest.mock('@salesforce/apex/TandemRecords.phrases', () => ({ default: jest.fn() }), { virtual: true });
jest.mock('@salesforce/apex/TandemActions.syncNow', () => ({ default: jest.fn() }), { virtual: true });
jest.mock('@salesforce/apex/TandemActions.answer', () => ({ default: jest.fn() }), { virtual: true });
jest.mock('@salesforce/customPermission/Tandem_Answer_Reviews', () => ({ default: true }), { virtual: true });

const RECORD = '006000000000001AAA';
const OPEN = {
    IsWon: false,
    Tandem_Order_Number__c: null,
    Tandem_Order_Status__c: null,
    Tandem_Delivery_State__c: null,
    Tandem_Invoiced__c: null,
    Tandem_Paid__c: null,
    Tandem_Sync_State__c: null,
    Tandem_Sync_Message__c: null,
    Tandem_Sync_Said__c: null,
    Tandem_Synced_At__c: null
};

const record = (changes = {}) => ({
    apiName: 'Opportunity',
    fields: Object.fromEntries(
        Object.entries({ ...OPEN, ...changes }).map(([name, value]) => [name, { value, displayValue: null }])
    )
});

/** Lets promises and the rendering after them happen. */
const settled = async () => {
    for (let turn = 0; turn < 8; turn++) {
        // eslint-disable-next-line no-await-in-loop
        await Promise.resolve();
    }
};

async function show(changes) {
    const element = createElement('c-tandem-order-timeline', { is: TandemOrderTimeline });
    element.recordId = RECORD;
    document.body.appendChild(element);
    if (changes) {
        getRecord.emit(record(changes));
    }
    await settled();
    return element;
}

const find = (element, id) => element.shadowRoot.querySelector(`[data-id="${id}"]`);
const all = (element, id) => [...element.shadowRoot.querySelectorAll(`[data-id="${id}"]`)];
const states = (element) => all(element, 'step').map((one) => one.className.replace('step', '').trim() || 'todo');

describe('c-tandem-order-timeline', () => {
    beforeEach(() => {
        openReviews.mockResolvedValue([]);
        syncNow.mockResolvedValue(undefined);
    });

    afterEach(() => {
        document.body.replaceChildren();
        jest.clearAllMocks();
        jest.useRealTimers();
    });

    it('waits, and says what kept it', async () => {
        const element = await show();
        expect(element.shadowRoot.querySelector('lightning-spinner')).not.toBeNull();
        getRecord.error({ message: 'no access' });
        await settled();
        expect(find(element, 'problem').textContent).toContain('no access');
    });

    it.each([
        [{}, ['todo', 'todo', 'todo', 'todo', 'todo']],
        [{ IsWon: true }, ['done', 'current', 'todo', 'todo', 'todo']],
        [
            { IsWon: true, Tandem_Order_Number__c: '17', Tandem_Delivery_State__c: 'Open' },
            ['done', 'done', 'current', 'todo', 'todo']
        ],
        [
            { IsWon: true, Tandem_Order_Number__c: '17', Tandem_Delivery_State__c: 'Shipped' },
            ['done', 'done', 'done', 'current', 'todo']
        ],
        [
            {
                IsWon: true,
                Tandem_Order_Number__c: '17',
                Tandem_Delivery_State__c: 'Delivered',
                Tandem_Invoiced__c: 100,
                Tandem_Paid__c: 40
            },
            ['done', 'done', 'done', 'done', 'current']
        ],
        [
            {
                IsWon: true,
                Tandem_Order_Number__c: '17',
                Tandem_Delivery_State__c: 'Partly shipped',
                Tandem_Invoiced__c: 100,
                Tandem_Paid__c: 100
            },
            ['done', 'done', 'current', 'done', 'done']
        ]
    ])('shows how far %j is', async (changes, expected) => {
        const element = await show(changes);
        expect(states(element)).toEqual(expected);
        expect(Boolean(find(element, 'not-won'))).toBe(!changes.IsWon);
    });

    it('says the order, its status, and what is paid', async () => {
        const element = await show({
            IsWon: true,
            Tandem_Order_Number__c: '17',
            Tandem_Order_Status__c: 'Open',
            Tandem_Invoiced__c: 100,
            Tandem_Paid__c: 40,
            Tandem_Synced_At__c: '2026-01-31T10:00:00.000Z'
        });
        const words = all(element, 'step').map((one) => one.textContent);
        expect(words[1]).toContain('Order 17, Open');
        expect(words[4]).toContain('€40.00 of €100.00 paid');
        expect(element.shadowRoot.querySelector('[slot="footer"]').textContent).toContain('Jan 31, 2026');
    });

    it.each([
        ['Synced', 'utility:success'],
        ['Waiting', 'utility:clock'],
        ['Review', 'utility:question'],
        ['Error', 'utility:error']
    ])('shows the last message of %s', async (state, icon) => {
        const element = await show({ Tandem_Sync_State__c: state, Tandem_Sync_Message__c: 'In words' });
        const message = find(element, 'message');
        expect(message.textContent).toContain('In words');
        expect(message.querySelector('lightning-icon').iconName).toBe(icon);
        expect(message.className.includes('error')).toBe(state === 'Error');
    });

    it("says what happened in the reader's words, unless somebody wrote the message alone", async () => {
        const kept = JSON.stringify({
            text: 'order 17 created; due 2026-01-31 in B1, since 2026-01-05 is past',
            said: [
                { key: 'orders.created', with: { number: '17' } },
                { key: 'orders.due_moved', with: { day: { day: '2026-01-31' }, asked: { day: '2026-01-05' } } }
            ]
        });
        const of = (words) => ({
            Tandem_Sync_State__c: 'Synced',
            Tandem_Sync_Message__c: words,
            Tandem_Sync_Said__c: kept
        });
        const shown = async (words) => find(await show(of(words)), 'message').textContent;
        const words = 'order 17 created; due Jan 31, 2026 in B1, since Jan 5, 2026 is past';
        expect(await shown('order 17 created; due 2026-01')).toBe(words);
        expect(await shown('order 18 created')).toBe('order 18 created');
    });

    it('lists deliveries and invoices', async () => {
        const element = await show({ IsWon: true });
        deliveries.emit([
            {
                Id: 'd1',
                Name: 'Delivery 5',
                Tandem_Date__c: '2026-01-31',
                Tandem_Status__c: 'Open',
                Tandem_Carrier__c: 'DHL',
                Tandem_Tracking_Number__c: 'JD01'
            },
            { Id: 'd2', Name: 'Return 6', Tandem_Status__c: 'Closed' }
        ]);
        invoices.emit([
            {
                Id: 'i1',
                Name: 'Invoice 7',
                Tandem_Status__c: 'Paid',
                Tandem_Total_Document__c: 100,
                Tandem_Currency__c: 'USD'
            }
        ]);
        await settled();
        const rows = all(element, 'delivery').map((row) => row.textContent);
        expect(rows[0]).toContain('Tracking DHL JD01');
        expect(rows[1]).not.toContain('Tracking');
        expect(find(element, 'invoice').textContent).toContain('$100.00');
        const links = [...element.shadowRoot.querySelectorAll('c-tandem-link')];
        expect(links.map((link) => [link.recordId, link.label])).toEqual([
            ['d1', 'Delivery 5'],
            ['d2', 'Return 6'],
            ['i1', 'Invoice 7']
        ]);
    });

    it('has Tandem look now, says so, and looks again for what came of it', async () => {
        jest.useFakeTimers();
        const element = await show({ IsWon: true });
        const toast = jest.fn();
        element.addEventListener('lightning__showtoast', toast);
        find(element, 'sync').click();
        await settled();
        expect(syncNow).toHaveBeenCalledWith({ recordId: RECORD });
        expect(toast).toHaveBeenCalledTimes(1);
        expect(find(element, 'sync').disabled).toBe(false);
        openReviews.mockClear();
        jest.advanceTimersByTime(2000);
        await settled();
        expect(notifyRecordUpdateAvailable).toHaveBeenCalledWith([{ recordId: RECORD }]);
        expect(openReviews).toHaveBeenCalledTimes(1);
        // Nothing goes on when the page is left.
        document.body.replaceChildren();
        openReviews.mockClear();
        jest.advanceTimersByTime(60_000);
        await settled();
        expect(openReviews).not.toHaveBeenCalled();
    });

    it('says why it could not ask', async () => {
        const element = await show({ IsWon: true });
        syncNow.mockRejectedValue({ body: { message: 'no access' } });
        find(element, 'sync').click();
        await settled();
        expect(find(element, 'action-problem').textContent).toContain('no access');
    });

    it('says once what it asks', async () => {
        const reason = 'Over the limit of 500, by so much that it does not fit';
        openReviews.mockResolvedValue([{ Id: 'r1', Tandem_Reason__c: reason, Tandem_Choices__c: 'ignore' }]);
        const of = (message) => ({ IsWon: true, Tandem_Sync_State__c: 'Review', Tandem_Sync_Message__c: message });
        expect(find(await show(of(reason.slice(0, 20))), 'message')).toBeNull();
        expect(find(await show(of('waits for another')), 'message').textContent).toBe('waits for another');
    });

    it('shows what Tandem asks, and looks again at what hangs on an answer', async () => {
        openReviews.mockResolvedValue([{ Id: 'r1', Tandem_Reason__c: 'Over the limit', Tandem_Choices__c: 'ignore' }]);
        const element = await show({ IsWon: true });
        const questions = find(element, 'reviews');
        expect(questions.recordId).toBe(RECORD);
        expect(questions.shadowRoot.querySelector('[data-id="question"]').textContent).toContain('Over the limit');
        openReviews.mockClear();
        getRecord.emit(record({ IsWon: true, Tandem_Sync_State__c: 'Synced' }));
        await settled();
        expect(openReviews).toHaveBeenCalledTimes(1);
        refreshApex.mockClear();
        questions.dispatchEvent(new CustomEvent('looked'));
        expect(refreshApex).toHaveBeenCalledTimes(2);
    });
});
