import { LightningElement, api, wire } from 'lwc';
import lines from '@salesforce/apex/TandemRecords.lines';
import stock from '@salesforce/apex/TandemRecords.stock';
import LABEL_ASK from '@salesforce/label/c.Tandem_Ask_Admin';
import LABEL_ERROR from '@salesforce/label/c.Tandem_Error';
import LABEL_LOADING from '@salesforce/label/c.Tandem_Loading';
import LABEL_TITLE from '@salesforce/label/c.Tandem_Stock_Title';
import LABEL_NONE from '@salesforce/label/c.Tandem_Stock_None';
import LABEL_NO_LINES from '@salesforce/label/c.Tandem_Stock_No_Lines';
import LABEL_WAREHOUSE from '@salesforce/label/c.Tandem_Warehouse';
import LABEL_IN_STOCK from '@salesforce/label/c.Tandem_In_Stock';
import LABEL_COMMITTED from '@salesforce/label/c.Tandem_Committed';
import LABEL_ON_ORDER from '@salesforce/label/c.Tandem_On_Order';
import LABEL_AVAILABLE from '@salesforce/label/c.Tandem_Available';
import LABEL_TOTAL from '@salesforce/label/c.Tandem_Total';
import LABEL_WANTED from '@salesforce/label/c.Tandem_Wanted';
import LABEL_ENOUGH from '@salesforce/label/c.Tandem_Enough';
import LABEL_SHORT from '@salesforce/label/c.Tandem_Short';
import LABEL_EXPECTED from '@salesforce/label/c.Tandem_Expected';
import { day, errorText, own, quantity, text } from 'c/tandemText';

const AMOUNTS = ['Tandem_In_Stock__c', 'Tandem_Committed__c', 'Tandem_On_Order__c', 'Tandem_Available__c'];
const BADGES = { Enough: 'slds-theme_success', Short: 'slds-theme_error', Expected: 'slds-theme_warning' };

/** Stock by warehouse: of the product whose page this is, or of each line of the opportunity. */
export default class TandemStock extends LightningElement {
    @api recordId;
    @api objectApiName;

    label = {
        title: LABEL_TITLE,
        loading: LABEL_LOADING,
        none: LABEL_NONE,
        warehouse: LABEL_WAREHOUSE,
        inStock: LABEL_IN_STOCK,
        committed: LABEL_COMMITTED,
        onOrder: LABEL_ON_ORDER,
        available: LABEL_AVAILABLE
    };

    @wire(lines, { opportunityId: '$opportunityId' })
    foundLines;

    @wire(stock, { productIds: '$productIds' })
    foundStock;

    get isOpportunity() {
        return this.objectApiName === 'Opportunity';
    }

    /** Undefined on a product's page: then nothing is asked. */
    get opportunityId() {
        return this.isOpportunity ? this.recordId : undefined;
    }

    get productIds() {
        if (!this.isOpportunity) {
            return this.recordId ? [this.recordId] : undefined;
        }
        const rows = this.foundLines?.data;
        return rows?.length ? [...new Set(rows.map((row) => row.Product2Id).filter(Boolean))] : undefined;
    }

    get noLines() {
        return this.isOpportunity && this.foundLines?.data?.length === 0;
    }

    get loading() {
        return !this.problem && !this.noLines && !this.foundStock?.data;
    }

    get problem() {
        const error = this.foundLines?.error || this.foundStock?.error;
        return error ? `${text(LABEL_ERROR, errorText(error))} ${LABEL_ASK}` : '';
    }

    get empty() {
        if (this.noLines) {
            return LABEL_NO_LINES;
        }
        return !this.isOpportunity && this.foundStock.data.length === 0 ? LABEL_NONE : '';
    }

    get groups() {
        if (!this.isOpportunity) {
            return [this.group(this.recordId, this.recordId, {})];
        }
        return own(this.foundLines.data).map((line) =>
            this.group(line.Id, line.Product2Id, {
                name: line.Product2?.Name,
                wanted: text(LABEL_WANTED, quantity(line.Quantity)),
                availability: availability(line),
                badge: `slds-badge slds-m-left_x-small ${BADGES[line.Tandem_Availability__c] || ''}`,
                status: line.Tandem_Line_Status__c
            })
        );
    }

    group(id, productId, head) {
        const found = own(this.foundStock.data).filter((row) => row.Tandem_Product__c === productId);
        const rows = found.map((row) =>
            shown(row.Id, row.Tandem_Warehouse_Name__c || row.Tandem_Warehouse__c, row, '')
        );
        if (found.length > 1) {
            const all = {};
            AMOUNTS.forEach((field) => {
                all[field] = found.reduce((sum, row) => sum + (row[field] ?? 0), 0);
            });
            rows.push(shown('total', LABEL_TOTAL, all, 'total'));
        }
        return { id, none: found.length === 0, caption: head.name || LABEL_TITLE, rows, ...head };
    }
}

function shown(id, warehouse, row, style) {
    const [inStock, committed, onOrder, available] = AMOUNTS.map((field) => quantity(row[field]));
    return { id, warehouse, inStock, committed, onOrder, available, class: style };
}

function availability(line) {
    switch (line.Tandem_Availability__c) {
        case 'Enough':
            return LABEL_ENOUGH;
        case 'Short':
            return LABEL_SHORT;
        case 'Expected':
            return text(LABEL_EXPECTED, day(line.Tandem_Expected_Date__c));
        default:
            return line.Tandem_Availability__c;
    }
}
