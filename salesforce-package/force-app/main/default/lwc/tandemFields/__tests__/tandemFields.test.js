import { createElement } from 'lwc';
import TandemFields from 'c/tandemFields';

function show(objectApiName) {
    const element = createElement('c-tandem-fields', { is: TandemFields });
    element.recordId = '00k000000000001AAA';
    element.objectApiName = objectApiName;
    document.body.appendChild(element);
    return element.shadowRoot.querySelector('lightning-record-form');
}

describe('c-tandem-fields', () => {
    afterEach(() => document.body.replaceChildren());

    it.each([
        ['OpportunityLineItem', 'Tandem_Warehouse__c'],
        ['Product2', 'Tandem_Item_Code__c']
    ])('shows the fields of %s, to be edited by those who may', (object, first) => {
        const form = show(object);
        expect(form.recordId).toBe('00k000000000001AAA');
        expect(form.objectApiName).toBe(object);
        expect(form.fields[0]).toEqual({ objectApiName: object, fieldApiName: first });
        expect(form.fields.every((field) => field.objectApiName === object)).toBe(true);
        expect(form.mode).toBe('view');
    });
});
