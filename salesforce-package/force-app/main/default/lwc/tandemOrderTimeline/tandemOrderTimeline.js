import { LightningElement, api, wire } from 'lwc';
import { getFieldDisplayValue, getFieldValue, getRecord, notifyRecordUpdateAvailable } from 'lightning/uiRecordApi';
import { ShowToastEvent } from 'lightning/platformShowToastEvent';
import { refreshApex } from '@salesforce/apex';
import deliveries from '@salesforce/apex/TandemRecords.deliveries';
import invoices from '@salesforce/apex/TandemRecords.invoices';
import syncNow from '@salesforce/apex/TandemActions.syncNow';
import IS_WON from '@salesforce/schema/Opportunity.IsWon';
import ORDER_NUMBER from '@salesforce/schema/Opportunity.Tandem_Order_Number__c';
import ORDER_STATUS from '@salesforce/schema/Opportunity.Tandem_Order_Status__c';
import DELIVERY_STATE from '@salesforce/schema/Opportunity.Tandem_Delivery_State__c';
import INVOICED from '@salesforce/schema/Opportunity.Tandem_Invoiced__c';
import PAID from '@salesforce/schema/Opportunity.Tandem_Paid__c';
import SYNC_STATE from '@salesforce/schema/Opportunity.Tandem_Sync_State__c';
import SYNC_MESSAGE from '@salesforce/schema/Opportunity.Tandem_Sync_Message__c';
import SYNC_SAID from '@salesforce/schema/Opportunity.Tandem_Sync_Said__c';
import SYNCED_AT from '@salesforce/schema/Opportunity.Tandem_Synced_At__c';
import LABEL_ASK from '@salesforce/label/c.Tandem_Ask_Admin';
import LABEL_ERROR from '@salesforce/label/c.Tandem_Error';
import LABEL_LOADING from '@salesforce/label/c.Tandem_Loading';
import LABEL_TITLE from '@salesforce/label/c.Tandem_Order_Title';
import LABEL_WON from '@salesforce/label/c.Tandem_Step_Won';
import LABEL_ORDERED from '@salesforce/label/c.Tandem_Step_Ordered';
import LABEL_SHIPPED from '@salesforce/label/c.Tandem_Step_Shipped';
import LABEL_INVOICED from '@salesforce/label/c.Tandem_Step_Invoiced';
import LABEL_PAID from '@salesforce/label/c.Tandem_Step_Paid';
import LABEL_DONE from '@salesforce/label/c.Tandem_Step_Done';
import LABEL_CURRENT from '@salesforce/label/c.Tandem_Step_Current';
import LABEL_TODO from '@salesforce/label/c.Tandem_Step_Todo';
import LABEL_ORDER_DETAIL from '@salesforce/label/c.Tandem_Order_Detail';
import LABEL_PAID_OF from '@salesforce/label/c.Tandem_Paid_Of';
import LABEL_NOT_WON from '@salesforce/label/c.Tandem_Not_Won';
import LABEL_SYNC_NOW from '@salesforce/label/c.Tandem_Sync_Now';
import LABEL_SYNC_ASKED from '@salesforce/label/c.Tandem_Sync_Asked';
import LABEL_DELIVERIES from '@salesforce/label/c.Tandem_Deliveries';
import LABEL_INVOICES from '@salesforce/label/c.Tandem_Invoices';
import LABEL_TRACKING from '@salesforce/label/c.Tandem_Tracking';
import LABEL_AS_OF from '@salesforce/label/c.Tandem_Synced_At';
import { lookAgain } from 'c/tandemAgain';
import { message } from 'c/tandemReason';
import { day, errorText, moment, money, own, text } from 'c/tandemText';

const FIELDS = [
    IS_WON,
    ORDER_NUMBER,
    ORDER_STATUS,
    DELIVERY_STATE,
    INVOICED,
    PAID,
    SYNC_STATE,
    SYNC_MESSAGE,
    SYNCED_AT
];
const OPTIONAL_FIELDS = ['Opportunity.CurrencyIsoCode', SYNC_SAID];
const OVER = ['Shipped', 'Delivered', 'Returned', 'Closed', 'Cancelled'];

const STATES = {
    done: { class: 'step done', icon: 'utility:success', variant: 'success', spoken: LABEL_DONE },
    current: { class: 'step current', icon: 'utility:clock', variant: '', spoken: LABEL_CURRENT },
    todo: { class: 'step', icon: 'utility:routing_offline', variant: '', spoken: LABEL_TODO }
};

/** Where the order stands, from won to paid; what happened last, in words; what Tandem asks; and a button to look again. */
export default class TandemOrderTimeline extends LightningElement {
    @api recordId;

    label = {
        title: LABEL_TITLE,
        loading: LABEL_LOADING,
        notWon: LABEL_NOT_WON,
        syncNow: LABEL_SYNC_NOW,
        deliveries: LABEL_DELIVERIES,
        invoices: LABEL_INVOICES
    };

    asking = false;
    actionProblem = '';
    /** Why Tandem asks, in English. */
    reasons = [];
    foundDeliveries;
    foundInvoices;
    stop = () => {};

    @wire(getRecord, { recordId: '$recordId', fields: FIELDS, optionalFields: OPTIONAL_FIELDS })
    found(result) {
        this.opportunity = result;
        this.reviews?.refresh();
    }

    opportunity;

    @wire(deliveries, { opportunityId: '$recordId' })
    wiredDeliveries(result) {
        this.foundDeliveries = result;
    }

    @wire(invoices, { opportunityId: '$recordId' })
    wiredInvoices(result) {
        this.foundInvoices = result;
    }

    disconnectedCallback() {
        this.stop();
    }

    /** The questions below; not there before the record is. */
    get reviews() {
        return this.template.querySelector('c-tandem-reviews');
    }

    asked(event) {
        this.reasons = event.detail;
    }

    get loading() {
        return !this.opportunity?.data && !this.opportunity?.error;
    }

    get problem() {
        const error = this.opportunity?.error;
        return error ? `${text(LABEL_ERROR, errorText(error))} ${LABEL_ASK}` : '';
    }

    get steps() {
        const won = this.value(IS_WON) === true;
        const number = this.value(ORDER_NUMBER);
        const delivery = this.value(DELIVERY_STATE);
        const invoiced = this.value(INVOICED) ?? 0;
        const paid = this.value(PAID) ?? 0;
        const shipped = OVER.includes(delivery);
        const started = delivery && delivery !== 'Open';
        const settled = invoiced > 0 && paid >= invoiced;
        const ordered = number ? text(LABEL_ORDER_DETAIL, number, this.shown(ORDER_STATUS)) : this.shown(ORDER_STATUS);
        return [
            step(LABEL_WON, won, false, ''),
            step(LABEL_ORDERED, Boolean(number), won, ordered),
            step(LABEL_SHIPPED, shipped, started || Boolean(number), this.shown(DELIVERY_STATE)),
            step(LABEL_INVOICED, invoiced > 0, shipped, invoiced > 0 ? this.money(invoiced) : ''),
            step(
                LABEL_PAID,
                settled,
                invoiced > 0,
                invoiced > 0 ? text(LABEL_PAID_OF, this.money(paid), this.money(invoiced)) : ''
            )
        ];
    }

    get notWon() {
        return this.value(IS_WON) !== true && !this.value(ORDER_NUMBER);
    }

    /** What the record says, unless a question below says it in full. */
    get message() {
        const english = this.value(SYNC_MESSAGE) || '';
        const asked = this.reasons.some((reason) => reason?.startsWith(english));
        return asked ? '' : message(english, this.value(SYNC_SAID));
    }

    get messageClass() {
        const wrong = this.value(SYNC_STATE) === 'Error';
        return `slds-p-vertical_x-small ${wrong ? 'slds-text-color_error' : ''}`;
    }

    get messageIcon() {
        const icons = { Synced: 'utility:success', Waiting: 'utility:clock', Review: 'utility:question' };
        return icons[this.value(SYNC_STATE)] || 'utility:error';
    }

    get deliveries() {
        return own(this.foundDeliveries?.data).map((row) => ({
            id: row.Id,
            name: row.Name,
            day: day(row.Tandem_Date__c),
            status: row.Tandem_Status__c,
            tracking: row.Tandem_Tracking_Number__c
                ? text(LABEL_TRACKING, [row.Tandem_Carrier__c, row.Tandem_Tracking_Number__c].filter(Boolean).join(' '))
                : ''
        }));
    }

    get invoices() {
        return own(this.foundInvoices?.data).map((row) => ({
            id: row.Id,
            name: row.Name,
            day: day(row.Tandem_Date__c),
            status: row.Tandem_Status__c,
            amount: money(row.Tandem_Total_Document__c, row.Tandem_Currency__c)
        }));
    }

    get asOf() {
        const at = this.opportunity?.data && this.value(SYNCED_AT);
        return at ? text(LABEL_AS_OF, moment(at)) : '';
    }

    /** Has Tandem look at the record, and looks again while it is at it. */
    async syncNow() {
        this.asking = true;
        this.actionProblem = '';
        try {
            await syncNow({ recordId: this.recordId });
            this.dispatchEvent(new ShowToastEvent({ title: LABEL_SYNC_ASKED, variant: 'info' }));
            this.stop();
            this.stop = lookAgain(() => this.look());
        } catch (error) {
            this.actionProblem = errorText(error);
        } finally {
            this.asking = false;
        }
    }

    async look() {
        await notifyRecordUpdateAvailable([{ recordId: this.recordId }]);
        await Promise.all([this.refreshLists(), this.reviews?.refresh()]);
    }

    refreshLists() {
        return Promise.all([refreshApex(this.foundDeliveries), refreshApex(this.foundInvoices)]);
    }

    value(field) {
        return getFieldValue(this.opportunity.data, field);
    }

    /** In the reader's language, where it is a picklist. */
    shown(field) {
        return getFieldDisplayValue(this.opportunity.data, field) ?? this.value(field) ?? '';
    }

    money(amount) {
        return money(amount, this.opportunity?.data?.fields?.CurrencyIsoCode?.value);
    }
}

function step(name, done, current, detail) {
    let state = STATES.todo;
    if (done) {
        state = STATES.done;
    } else if (current) {
        state = STATES.current;
    }
    return { name, detail, ...state };
}
