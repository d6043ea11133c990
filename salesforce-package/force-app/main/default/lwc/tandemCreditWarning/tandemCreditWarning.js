import { LightningElement, api, wire } from 'lwc';
import { getFieldValue, getRecord } from 'lightning/uiRecordApi';
import AMOUNT from '@salesforce/schema/Opportunity.Amount';
import IS_CLOSED from '@salesforce/schema/Opportunity.IsClosed';
import ACCOUNT_NAME from '@salesforce/schema/Opportunity.Account.Name';
import BLOCKED from '@salesforce/schema/Opportunity.Account.Tandem_Blocked__c';
import CREDIT_LIMIT from '@salesforce/schema/Opportunity.Account.Tandem_Credit_Limit__c';
import HEADROOM from '@salesforce/schema/Opportunity.Account.Tandem_Headroom__c';
import CREDIT_STATE from '@salesforce/schema/Opportunity.Account.Tandem_Credit_State__c';
import OVERDUE from '@salesforce/schema/Opportunity.Account.Tandem_Overdue__c';
import CREDIT_CURRENCY from '@salesforce/schema/Opportunity.Account.Tandem_Currency__c';
import ORG_CURRENCY from '@salesforce/i18n/currency';
import LABEL_ERROR from '@salesforce/label/c.Tandem_Error';
import LABEL_BLOCKED from '@salesforce/label/c.Tandem_Warning_Blocked';
import LABEL_OVER from '@salesforce/label/c.Tandem_Warning_Over';
import LABEL_EXCEEDED from '@salesforce/label/c.Tandem_Warning_Exceeded';
import LABEL_NEAR from '@salesforce/label/c.Tandem_Warning_Near';
import LABEL_OVERDUE from '@salesforce/label/c.Tandem_Warning_Overdue';
import LABEL_CURRENCY from '@salesforce/label/c.Tandem_Warning_Currency';
import { errorText, money, text } from 'c/tandemText';

const FIELDS = [AMOUNT, IS_CLOSED];
/** An opportunity without an account, an org with one currency: no error. */
const OPTIONAL = [
    ACCOUNT_NAME,
    BLOCKED,
    CREDIT_LIMIT,
    HEADROOM,
    CREDIT_STATE,
    OVERDUE,
    CREDIT_CURRENCY,
    'Opportunity.CurrencyIsoCode'
];

/** Says, while the opportunity is open, what would keep its order back. Shows nothing when all is well. */
export default class TandemCreditWarning extends LightningElement {
    @api recordId;

    @wire(getRecord, { recordId: '$recordId', fields: FIELDS, optionalFields: OPTIONAL })
    opportunity;

    get problem() {
        return this.opportunity?.error ? text(LABEL_ERROR, errorText(this.opportunity.error)) : '';
    }

    get warnings() {
        const data = this.opportunity?.data;
        if (!data || getFieldValue(data, IS_CLOSED)) {
            return [];
        }
        const name = getFieldValue(data, ACCOUNT_NAME);
        const found = [];
        if (getFieldValue(data, BLOCKED)) {
            found.push(serious(text(LABEL_BLOCKED, name)));
        }
        const credit = this.credit(data, name);
        if (credit) {
            found.push(credit);
        }
        if (getFieldValue(data, OVERDUE) > 0) {
            found.push(mild(text(LABEL_OVERDUE, name, money(getFieldValue(data, OVERDUE), this.accountCurrency))));
        }
        return found;
    }

    /** The one sentence about the credit limit; none when there is room, or no limit. */
    credit(data, name) {
        const headroom = getFieldValue(data, HEADROOM);
        if (!(getFieldValue(data, CREDIT_LIMIT) > 0) || headroom === null || headroom === undefined) {
            return undefined;
        }
        const left = money(Math.abs(headroom), this.accountCurrency);
        if (headroom < 0) {
            return serious(text(LABEL_EXCEEDED, name, left));
        }
        const amount = getFieldValue(data, AMOUNT) ?? 0;
        if (this.currency !== this.accountCurrency) {
            // A comparison of two currencies would be a guess.
            return mild(text(LABEL_CURRENCY, this.currency, name, this.accountCurrency, left));
        }
        if (amount > headroom) {
            return serious(text(LABEL_OVER, money(amount, this.currency), name, left));
        }
        return getFieldValue(data, CREDIT_STATE) === 'near' ? mild(text(LABEL_NEAR, name, left)) : undefined;
    }

    get currency() {
        return this.opportunity.data.fields.CurrencyIsoCode?.value ?? ORG_CURRENCY;
    }

    /** That of the company's amounts, whatever the currency of the account. */
    get accountCurrency() {
        return getFieldValue(this.opportunity.data, CREDIT_CURRENCY) ?? ORG_CURRENCY;
    }
}

function serious(words) {
    return {
        text: words,
        class: 'slds-notify slds-notify_alert slds-alert_error slds-m-bottom_x-small',
        icon: 'utility:error',
        variant: 'inverse'
    };
}

function mild(words) {
    return {
        text: words,
        class: 'slds-notify slds-notify_alert slds-alert_warning slds-m-bottom_x-small',
        icon: 'utility:warning',
        variant: ''
    };
}
