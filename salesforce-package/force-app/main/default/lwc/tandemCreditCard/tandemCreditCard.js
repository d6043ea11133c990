import { LightningElement, api, wire } from 'lwc';
import { getFieldValue, getRecord } from 'lightning/uiRecordApi';
import openInvoices from '@salesforce/apex/TandemRecords.openInvoices';
import CARD_CODE from '@salesforce/schema/Account.Tandem_Card_Code__c';
import BLOCKED from '@salesforce/schema/Account.Tandem_Blocked__c';
import BALANCE from '@salesforce/schema/Account.Tandem_Balance__c';
import OPEN_ORDERS from '@salesforce/schema/Account.Tandem_Open_Orders__c';
import OPEN_DELIVERIES from '@salesforce/schema/Account.Tandem_Open_Deliveries__c';
import EXPOSURE from '@salesforce/schema/Account.Tandem_Exposure__c';
import CREDIT_LIMIT from '@salesforce/schema/Account.Tandem_Credit_Limit__c';
import HEADROOM from '@salesforce/schema/Account.Tandem_Headroom__c';
import CREDIT_STATE from '@salesforce/schema/Account.Tandem_Credit_State__c';
import OVERDUE from '@salesforce/schema/Account.Tandem_Overdue__c';
import AGEING_30 from '@salesforce/schema/Account.Tandem_Ageing_30__c';
import AGEING_60 from '@salesforce/schema/Account.Tandem_Ageing_60__c';
import AGEING_90 from '@salesforce/schema/Account.Tandem_Ageing_90__c';
import AGEING_OVER_90 from '@salesforce/schema/Account.Tandem_Ageing_Over_90__c';
import CURRENCY from '@salesforce/schema/Account.Tandem_Currency__c';
import SYNCED_AT from '@salesforce/schema/Account.Tandem_Synced_At__c';
import LABEL_ASK from '@salesforce/label/c.Tandem_Ask_Admin';
import LABEL_ERROR from '@salesforce/label/c.Tandem_Error';
import LABEL_LOADING from '@salesforce/label/c.Tandem_Loading';
import LABEL_TITLE from '@salesforce/label/c.Tandem_Credit_Title';
import LABEL_NO_PARTNER from '@salesforce/label/c.Tandem_Credit_No_Partner';
import LABEL_USED from '@salesforce/label/c.Tandem_Credit_Used';
import LABEL_EXCEEDED_BY from '@salesforce/label/c.Tandem_Credit_Exceeded_By';
import LABEL_NO_LIMIT from '@salesforce/label/c.Tandem_Credit_No_Limit';
import LABEL_BAR from '@salesforce/label/c.Tandem_Credit_Bar';
import LABEL_BALANCE from '@salesforce/label/c.Tandem_Credit_Balance';
import LABEL_OPEN_ORDERS from '@salesforce/label/c.Tandem_Credit_Open_Orders';
import LABEL_OPEN_DELIVERIES from '@salesforce/label/c.Tandem_Credit_Open_Deliveries';
import LABEL_BLOCKED from '@salesforce/label/c.Tandem_Credit_Blocked';
import LABEL_AGEING from '@salesforce/label/c.Tandem_Ageing_Title';
import LABEL_30 from '@salesforce/label/c.Tandem_Ageing_30';
import LABEL_60 from '@salesforce/label/c.Tandem_Ageing_60';
import LABEL_90 from '@salesforce/label/c.Tandem_Ageing_90';
import LABEL_OVER_90 from '@salesforce/label/c.Tandem_Ageing_Over_90';
import LABEL_AGEING_BAR from '@salesforce/label/c.Tandem_Ageing_Bar';
import LABEL_OPEN_INVOICES from '@salesforce/label/c.Tandem_Invoices_Open';
import LABEL_NO_INVOICES from '@salesforce/label/c.Tandem_Invoices_None';
import LABEL_INVOICE from '@salesforce/label/c.Tandem_Invoice';
import LABEL_DUE from '@salesforce/label/c.Tandem_Due';
import LABEL_OPEN from '@salesforce/label/c.Tandem_Open';
import LABEL_DAYS_OVERDUE from '@salesforce/label/c.Tandem_Days_Overdue';
import LABEL_AS_OF from '@salesforce/label/c.Tandem_Synced_At';
import { day, daysSince, errorText, moment, money, own, text } from 'c/tandemText';

const FIELDS = [
    CARD_CODE,
    BLOCKED,
    BALANCE,
    OPEN_ORDERS,
    OPEN_DELIVERIES,
    EXPOSURE,
    CREDIT_LIMIT,
    HEADROOM,
    CREDIT_STATE,
    OVERDUE,
    AGEING_30,
    AGEING_60,
    AGEING_90,
    AGEING_OVER_90,
    CURRENCY,
    SYNCED_AT
];

/** Credit limit, what uses it, what is overdue and which invoices are open. */
export default class TandemCreditCard extends LightningElement {
    @api recordId;

    label = {
        title: LABEL_TITLE,
        loading: LABEL_LOADING,
        noPartner: LABEL_NO_PARTNER,
        blocked: LABEL_BLOCKED,
        openInvoices: LABEL_OPEN_INVOICES,
        noInvoices: LABEL_NO_INVOICES,
        invoice: LABEL_INVOICE,
        due: LABEL_DUE,
        open: LABEL_OPEN
    };

    @wire(getRecord, { recordId: '$recordId', fields: FIELDS })
    account;

    @wire(openInvoices, { accountId: '$recordId' })
    found;

    get loading() {
        return !this.account?.data && !this.account?.error;
    }

    get problem() {
        const error = this.account?.error;
        return error ? `${text(LABEL_ERROR, errorText(error))} ${LABEL_ASK}` : '';
    }

    get noPartner() {
        return !this.value(CARD_CODE);
    }

    get blocked() {
        return this.value(BLOCKED) === true;
    }

    get hasLimit() {
        return this.value(CREDIT_LIMIT) > 0;
    }

    get creditText() {
        const exposure = this.amount(EXPOSURE);
        if (!this.hasLimit) {
            return text(LABEL_NO_LIMIT, exposure);
        }
        const left = this.value(HEADROOM) ?? 0;
        const label = left < 0 ? LABEL_EXCEEDED_BY : LABEL_USED;
        return text(label, exposure, this.amount(CREDIT_LIMIT), money(Math.abs(left), this.currency));
    }

    get used() {
        return Math.round(((this.value(EXPOSURE) ?? 0) * 100) / this.value(CREDIT_LIMIT));
    }

    get usedShown() {
        return Math.min(Math.max(this.used, 0), 100);
    }

    get barLabel() {
        return text(LABEL_BAR, this.used);
    }

    get barStyle() {
        return `width: ${this.usedShown}%`;
    }

    get barClass() {
        const state = this.value(CREDIT_STATE);
        return `slds-progress-bar__value ${state === 'near' || state === 'exceeded' ? state : ''}`;
    }

    get parts() {
        return [
            [LABEL_BALANCE, BALANCE],
            [LABEL_OPEN_ORDERS, OPEN_ORDERS],
            [LABEL_OPEN_DELIVERIES, OPEN_DELIVERIES]
        ].map(([label, field]) => ({ label, key: `${label} amount`, amount: this.amount(field) }));
    }

    get overdueText() {
        return text(LABEL_AGEING, this.amount(OVERDUE));
    }

    get ageing() {
        const buckets = [
            [LABEL_30, AGEING_30],
            [LABEL_60, AGEING_60],
            [LABEL_90, AGEING_90],
            [LABEL_OVER_90, AGEING_OVER_90]
        ];
        const most = Math.max(...buckets.map(([, field]) => this.value(field) ?? 0), 0);
        return buckets.map(([label, field]) => {
            const share = most > 0 ? Math.max((this.value(field) ?? 0) / most, 0) : 0;
            const amount = this.amount(field);
            return {
                label,
                amount,
                spoken: text(LABEL_AGEING_BAR, label, amount),
                style: `width: ${Math.round(share * 100)}%`
            };
        });
    }

    get invoiceProblem() {
        return this.found?.error ? text(LABEL_ERROR, errorText(this.found.error)) : '';
    }

    get noInvoices() {
        return !this.found?.data?.length;
    }

    get invoices() {
        return own(this.found.data).map((row) => {
            const late = row.Tandem_Due_Date__c ? daysSince(row.Tandem_Due_Date__c) : 0;
            return {
                id: row.Id,
                name: row.Name,
                due: day(row.Tandem_Due_Date__c),
                overdue: late > 0 ? text(LABEL_DAYS_OVERDUE, late) : '',
                open: money(row.Tandem_Open__c, row.Tandem_Company_Currency__c)
            };
        });
    }

    get asOf() {
        const at = this.account?.data && this.value(SYNCED_AT);
        return at ? text(LABEL_AS_OF, moment(at)) : '';
    }

    /** The company's, whatever the currency of the account. */
    get currency() {
        return this.value(CURRENCY);
    }

    value(field) {
        return getFieldValue(this.account.data, field);
    }

    amount(field) {
        return money(this.value(field), this.currency);
    }
}
