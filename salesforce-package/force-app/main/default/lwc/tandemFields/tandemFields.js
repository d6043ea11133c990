import { LightningElement, api } from 'lwc';
import WAREHOUSE from '@salesforce/schema/OpportunityLineItem.Tandem_Warehouse__c';
import TAX_CODE from '@salesforce/schema/OpportunityLineItem.Tandem_Tax_Code__c';
import AVAILABILITY from '@salesforce/schema/OpportunityLineItem.Tandem_Availability__c';
import EXPECTED_DATE from '@salesforce/schema/OpportunityLineItem.Tandem_Expected_Date__c';
import LINE_STATUS from '@salesforce/schema/OpportunityLineItem.Tandem_Line_Status__c';
import ITEM_CODE from '@salesforce/schema/Product2.Tandem_Item_Code__c';
import DISCONTINUED from '@salesforce/schema/Product2.Tandem_Discontinued__c';
import IN_STOCK from '@salesforce/schema/Product2.Tandem_In_Stock__c';
import COMMITTED from '@salesforce/schema/Product2.Tandem_Committed__c';
import ON_ORDER from '@salesforce/schema/Product2.Tandem_On_Order__c';
import AVAILABLE from '@salesforce/schema/Product2.Tandem_Available__c';
import LABEL_TITLE from '@salesforce/label/c.Tandem_Section_B1';

const FIELDS = {
    OpportunityLineItem: [WAREHOUSE, TAX_CODE, AVAILABILITY, EXPECTED_DATE, LINE_STATUS],
    Product2: [ITEM_CODE, DISCONTINUED, IN_STOCK, COMMITTED, ON_ORDER, AVAILABLE]
};

/** The fields of SAP Business One on the pages of objects that have no field sections; what the reader may edit is edited here. */
export default class TandemFields extends LightningElement {
    @api recordId;
    @api objectApiName;

    label = { title: LABEL_TITLE };

    get fields() {
        return FIELDS[this.objectApiName];
    }
}
