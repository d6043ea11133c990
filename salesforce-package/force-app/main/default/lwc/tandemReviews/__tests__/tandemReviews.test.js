import { createElement } from 'lwc';
import { notifyRecordUpdateAvailable } from 'lightning/uiRecordApi';
import openReviews from '@salesforce/apex/TandemRecords.openReviews';
import phrases from '@salesforce/apex/TandemRecords.phrases';
import answer from '@salesforce/apex/TandemActions.answer';
import TandemReviews from 'c/tandemReviews';

jest.mock('@salesforce/apex/TandemRecords.openReviews', () => ({ default: jest.fn() }), { virtual: true });
jest.mock('@salesforce/apex/TandemRecords.phrases', () => ({ default: jest.fn() }), { virtual: true });
jest.mock('@salesforce/apex/TandemActions.answer', () => ({ default: jest.fn() }), { virtual: true });
jest.mock('@salesforce/customPermission/Tandem_Answer_Reviews', () => ({ default: true }), { virtual: true });

const ACCOUNT = '001000000000001AAA';
const QUESTION = { Id: 'r1', Tandem_Reason__c: 'Two customers fit', Tandem_Choices__c: 'link with C00007\ncreate\n' };

/** Lets promises and the rendering after them happen. */
const settled = async () => {
    for (let turn = 0; turn < 8; turn++) {
        // eslint-disable-next-line no-await-in-loop
        await Promise.resolve();
    }
};

async function show() {
    const element = createElement('c-tandem-reviews', { is: TandemReviews });
    element.recordId = ACCOUNT;
    document.body.appendChild(element);
    await settled();
    return element;
}

const find = (element, id) => element.shadowRoot.querySelector(`[data-id="${id}"]`);
const all = (element, id) => [...element.shadowRoot.querySelectorAll(`[data-id="${id}"]`)];

describe('c-tandem-reviews', () => {
    beforeEach(() => {
        openReviews.mockResolvedValue([QUESTION]);
        answer.mockResolvedValue(undefined);
    });

    afterEach(() => {
        document.body.replaceChildren();
        jest.clearAllMocks();
        jest.useRealTimers();
    });

    it('shows nothing where Tandem asks nothing', async () => {
        openReviews.mockResolvedValue([]);
        const element = await show();
        expect(element.shadowRoot.textContent).toBe('');
        expect(openReviews).toHaveBeenCalledWith({ recordId: ACCOUNT });
    });

    it('shows what Tandem asks of an account, and sends the answer', async () => {
        const element = await show();
        const toast = jest.fn();
        element.addEventListener('lightning__showtoast', toast);
        expect(find(element, 'question').textContent).toContain('Two customers fit');
        const choices = all(element, 'choice');
        expect(choices.map((choice) => choice.label)).toEqual(['It is the same as C00007', 'Create a new record']);
        openReviews.mockResolvedValue([{ ...QUESTION, Tandem_Answer__c: 'create' }]);
        choices[1].click();
        await settled();
        expect(answer).toHaveBeenCalledWith({ reviewId: 'r1', choice: 'create' });
        expect(toast).toHaveBeenCalledTimes(1);
        expect(find(element, 'answered').textContent).toContain('Create a new record');
        expect(find(element, 'choice')).toBeNull();
    });

    it('looks again for what came of an answer, until the page is left', async () => {
        jest.useFakeTimers();
        const element = await show();
        const looked = jest.fn();
        element.addEventListener('looked', looked);
        find(element, 'choice').click();
        await settled();
        openReviews.mockResolvedValue([]);
        jest.advanceTimersByTime(2000);
        await settled();
        expect(notifyRecordUpdateAvailable).toHaveBeenCalledWith([{ recordId: ACCOUNT }]);
        expect(looked).toHaveBeenCalledTimes(1);
        expect(find(element, 'question')).toBeNull();
        document.body.replaceChildren();
        jest.advanceTimersByTime(60_000);
        await settled();
        expect(looked).toHaveBeenCalledTimes(1);
    });

    it('says why an answer was not taken', async () => {
        const element = await show();
        answer.mockRejectedValue({ body: { message: 'no longer open' } });
        find(element, 'choice').click();
        await settled();
        expect(find(element, 'problem').textContent).toContain('no longer open');
        expect(find(element, 'choice').disabled).toBe(false);
    });

    it('says who answers where there is nothing to choose', async () => {
        openReviews.mockResolvedValue([{ Id: 'r1', Tandem_Reason__c: 'Odd', Tandem_Choices__c: null }]);
        const element = await show();
        expect(find(element, 'elsewhere').textContent).toContain('Whoever runs Tandem answers it.');
        expect(find(element, 'choice')).toBeNull();
    });

    it('says a question by the label of its key, be it one of the company itself', async () => {
        const said = (key) => JSON.stringify([{ key, with: { number: '17' } }]);
        phrases.mockResolvedValue({ 'bonus.too_high': 'Bonus {number} is too high' });
        const asked = (id, key) => ({ Id: id, Tandem_Reason__c: 'English', Tandem_Said__c: said(key) });
        openReviews.mockResolvedValue([asked('r1', 'orders.gone'), asked('r2', 'bonus.too_high')]);
        const questions = all(await show(), 'question');
        expect(phrases).toHaveBeenCalledWith({ keys: ['bonus.too_high'] });
        expect(questions[0].textContent).toContain('B1 has no order 17 any more');
        expect(questions[1].textContent).toContain('Bonus 17 is too high');
    });

    it('tells who holds it what is asked', async () => {
        const element = await show();
        const asked = jest.fn();
        element.addEventListener('asked', (event) => asked(event.detail));
        await element.refresh();
        expect(asked).toHaveBeenCalledWith(['Two customers fit']);
        expect(element.recordId).toBe(ACCOUNT);
    });

    it('never shows what is asked of another record', async () => {
        const element = await show();
        let late;
        openReviews.mockReturnValueOnce(new Promise((resolve) => (late = resolve)));
        const first = element.refresh();
        openReviews.mockResolvedValue([]);
        element.recordId = '001000000000002AAA';
        await settled();
        late([QUESTION]);
        await first;
        await settled();
        expect(find(element, 'question')).toBeNull();
    });

    it('says when the questions cannot be read', async () => {
        openReviews.mockRejectedValue(new Error('no such object'));
        expect(find(await show(), 'problem').textContent).toContain('no such object');
    });
});
