// The fields of both systems, and records to try rules on. A line: name|label|type|length, then r required, x not settable,
// values as code=label;…, >Name:Object a related record.
import type * as T from '../src/api/types.ts';

function fields(text: string): T.Field[] {
  return text
    .trim()
    .split('\n')
    .map((line): T.Field => {
      const [name = '', label = '', type = 'string', length = '', ...more] = line.trim().split('|');
      const related = more
        .find((one) => one.startsWith('>'))
        ?.slice(1)
        .split(':');
      const values = more.find((one) => one.includes('='));
      return {
        name,
        label,
        type,
        length: length === '' ? null : Number(length),
        custom: name.startsWith('U_') || name.endsWith('__c'),
        settable: !more.includes('x'),
        required: more.includes('r'),
        values:
          values?.split(';').map((one) => {
            const [value = '', label = ''] = one.split('=');
            return { value, label };
          }) ?? null,
        relation: related ? { name: related[0] ?? '', object: related[1] ?? '' } : null,
      };
    });
}

const ORDERS = fields(`
  DocEntry|Internal number|number||x
  DocNum|Document number|number||x
  CardCode|Business partner code|string|15|r
  CardName|Business partner name|string|100
  DocDate|Posting date|date|
  DocDueDate|Delivery date|date||r
  TaxDate|Document date|date|
  NumAtCard|Customer reference number|string|100
  Comments|Remarks|string|254
  JournalMemo|Journal remark|string|50
  DocCurrency|Document currency|string|3
  DiscountPercent|Discount %|number|
  ShipToCode|Ship-to address|string|50
  PayToCode|Bill-to address|string|50
  SalesPersonCode|Sales employee|number|
  DocumentsOwner|Owner|number|
  PaymentGroupCode|Payment terms|number|
  TransportationCode|Shipping type|number|
  Project|Project|string|20
  Indicator|Indicator|string|2
  PartialSupply|Partial delivery|picklist|1|tYES=Yes;tNO=No
  Confirmed|Approved|picklist|1|tYES=Yes;tNO=No
  PaymentMethod|Payment method|string|15
  FederalTaxID|Federal tax ID|string|32
  ContactPersonCode|Contact person|number|
  Rounding|Rounding|picklist|1|tYES=Yes;tNO=No
  U_SF_Id|Salesforce record|string|18
  U_Region|Sales region|picklist|2|N=North;S=South;E=East;W=West
  U_Channel|Sales channel|picklist|1|N=New business;R=Existing business
  U_Project|Customer project|string|30
  U_CostCentre|Cost centre|string|8
  U_Incoterms|Incoterms|string|3
  U_DeliveryWindow|Delivery window|string|30
  U_SalesRep|Representative|string|10
  U_GiftMessage|Gift message|string|200
  U_ContractNo|Contract number|string|20
  U_Priority|Priority|picklist|1|1=High;2=Normal;3=Low
  U_LoadingBay|Loading bay|string|5
`);
const OPPORTUNITY = fields(`
  Id|Opportunity ID|id|18|x
  Name|Opportunity name|string|120|r
  AccountId|Account ID|reference|18|>Account:Account
  OwnerId|Owner ID|reference|18|>Owner:User
  Amount|Amount|number|
  CloseDate|Close date|date||r
  StageName|Stage|picklist|40|r|Negotiation=Negotiation;Closed Won=Closed Won;Closed Lost=Closed Lost
  Type|Type|picklist|40|New Business=New Business;Existing Business=Existing Business
  Description|Description|string|32000
  NextStep|Next step|string|255
  LeadSource|Lead source|picklist|40|Web=Web;Partner=Partner;Trade Show=Trade Show
  Probability|Probability (%)|number|
  ForecastCategoryName|Forecast category|picklist|40|Pipeline=Pipeline;Closed=Closed
  CampaignId|Campaign ID|reference|18|>Campaign:Campaign
  CurrencyIsoCode|Currency|string|3
  IsWon|Won|boolean||x
  IsClosed|Closed|boolean||x
  FiscalYear|Fiscal year|number||x
  CreatedDate|Created|datetime||x
  LastModifiedDate|Last modified|datetime||x
  Pricebook2Id|Price book ID|reference|18
  TotalOpportunityQuantity|Quantity|number|
  Tandem_PO_Number__c|Customer's order number|string|80
  Tandem_Order_Notes__c|Notes for the order|string|255
  Tandem_Ship_To__c|Ship-to|string|50
  Tandem_Bill_To__c|Bill-to|string|50
  Tandem_Order_Number__c|Order number in B1|string|20
  Tandem_Order_Status__c|Order status|string|40
  Region__c|Region|picklist|40|North=North;South=South;East=East;West=West;Export=Export
  Project_Code__c|Project code|string|30
  Cost_Centre__c|Cost centre|string|8
  Incoterms__c|Incoterms|picklist|3|EXW=Ex works;DAP=Delivered at place;FCA=Free carrier
  Delivery_Window__c|Delivery window|string|60
  Sales_Rep_Code__c|Representative's code|string|10
  Gift_Message__c|Gift message|string|255
  Contract_Number__c|Contract number|string|20
  Priority__c|Priority|picklist|10|1=High;2=Normal;3=Low
  Loading_Bay__c|Loading bay|string|5
`);
const ACCOUNT = fields(`
  Id|Account ID|id|18|x
  Name|Account name|string|255|r
  AccountNumber|Account number|string|40
  Type|Type|picklist|40|Customer=Customer;Prospect=Prospect;Partner=Partner
  ParentId|Parent account|reference|18|>Parent:Account
  OwnerId|Owner ID|reference|18|>Owner:User
  Phone|Phone|phone|40
  Fax|Fax|phone|40
  Website|Website|url|255
  Industry|Industry|picklist|40|Electronics=Electronics;Machinery=Machinery;Retail=Retail
  AnnualRevenue|Annual revenue|number|
  NumberOfEmployees|Employees|number|
  Description|Description|string|32000
  Rating|Rating|picklist|10|Hot=Hot;Warm=Warm;Cold=Cold
  BillingStreet|Billing street|string|255
  BillingCity|Billing city|string|40
  BillingPostalCode|Billing postal code|string|20
  BillingStateCode|Billing state|picklist|10
  BillingCountryCode|Billing country|picklist|10
  ShippingStreet|Shipping street|string|255
  ShippingCity|Shipping city|string|40
  ShippingPostalCode|Shipping postal code|string|20
  CurrencyIsoCode|Currency|string|3
  Site|Site|string|80
  Sic|SIC code|string|20
  Ownership|Ownership|picklist|40|Public=Public;Private=Private
  CreatedDate|Created|datetime||x
  Tandem_Email__c|E-mail|email|80
  Tandem_Tax_Id__c|Tax number|string|32
  Tandem_Card_Code__c|Business partner|string|15
  Segment__c|Segment|picklist|20|A=Key account;B=Regular;C=Small
  Region__c|Region|picklist|40|North=North;South=South;East=East;West=West
  Delivery_Note_By__c|Delivery note by|picklist|10|Mail=Mail;Paper=Paper
  Vendor_Number__c|Our number there|string|20
`);
const PARTNERS = fields(`
  CardCode|Business partner code|string|15|r
  CardName|Business partner name|string|100|r
  CardForeignName|Foreign name|string|100
  CardType|Type|picklist|1|cCustomer=Customer;cSupplier=Supplier;cLid=Lead
  GroupCode|Group|number|
  Phone1|Telephone 1|string|20
  Phone2|Telephone 2|string|20
  Cellular|Mobile phone|string|50
  Fax|Fax|string|20
  EmailAddress|E-mail|string|100
  Website|Website|string|100
  FederalTaxID|Federal tax ID|string|32
  Currency|Currency|string|3
  PayTermsGrpCode|Payment terms|number|
  CreditLimit|Credit limit|number|
  DiscountPercent|Discount %|number|
  SalesPersonCode|Sales employee|number|
  Territory|Territory|number|
  Industry|Industry|number|
  FreeText|Remarks|string|32000
  Notes|Notes|string|100
  AliasName|Alias|string|100
  BillTo.Street|Bill-to street|string|100
  BillTo.City|Bill-to city|string|100
  BillTo.ZipCode|Bill-to postal code|string|20
  BillTo.Country|Bill-to country|string|3
  ShipTo.Street|Ship-to street|string|100
  ShipTo.City|Ship-to city|string|100
  ShipTo.ZipCode|Ship-to postal code|string|20
  Valid|Active|picklist|1|tYES=Yes;tNO=No
  U_Segment|Segment|picklist|1|A=Key account;B=Regular;C=Small
  U_Region|Sales region|picklist|2|N=North;S=South;E=East;W=West
  U_DeliveryNoteBy|Delivery note by|picklist|1|M=Mail;P=Paper
  U_VendorNo|Our number there|string|20
`);
const ORDER_LINES = fields(`
  LineNum|Row number|number||x
  ItemCode|Item number|string|50|r
  ItemDescription|Item description|string|200
  Quantity|Quantity|number||r
  UnitPrice|Unit price|number|
  Currency|Currency|string|3
  DiscountPercent|Discount %|number|
  WarehouseCode|Warehouse|string|8
  VatGroup|Tax code|string|8
  ShipDate|Delivery date|date|
  FreeText|Free text|string|100
  CostingCode|Cost centre|string|8
  ProjectCode|Project|string|20
  AccountCode|G/L account|string|15
  SalesPersonCode|Sales employee|number|
  SerialNum|Serial number|string|17
  U_SF_LineId|Salesforce line|string|18
  U_Engraving|Engraving|string|60
  U_Colour|Colour|picklist|3|RED=Red;BLU=Blue
`);
const LINE_ITEMS = fields(`
  Id|Line ID|id|18|x
  Product2Id|Product ID|reference|18|>Product2:Product2
  ProductCode|Product code|string|255
  Quantity|Quantity|number||r
  UnitPrice|Sales price|number|
  ListPrice|List price|number||x
  TotalPrice|Total price|number|
  Discount|Discount|number|
  Description|Line description|string|255
  ServiceDate|Date|date|
  SortOrder|Sort order|number||x
  Tandem_Warehouse__c|Warehouse|string|8
  Tandem_Tax_Code__c|Tax code|string|8
  Engraving__c|Engraving|string|60
  Colour__c|Colour|picklist|20|Red=Red;Blue=Blue
`);
const USER = fields(`
  Id|User ID|id|18|x
  Name|Full name|string|121|x
  Email|E-mail|email|128
  EmployeeNumber|Employee number|string|20
`);
const PRODUCT = fields(`
  Id|Product ID|id|18|x
  Name|Product name|string|255
  Family|Product family|picklist|40|Hardware=Hardware;Services=Services
  Tandem_Item_Code__c|Item code|string|50
`);

const B1: Record<string, T.Field[]> = {
  Orders: ORDERS,
  'Orders/DocumentLines': ORDER_LINES,
  BusinessPartners: PARTNERS,
};
const SALESFORCE: Record<string, T.Field[]> = {
  Opportunity: OPPORTUNITY,
  OpportunityLineItem: LINE_ITEMS,
  Account: ACCOUNT,
  User: USER,
  Product2: PRODUCT,
};
export const b1Fields = (object: string): T.Field[] => B1[object] ?? [];
export const salesforceFields = (object: string): T.Field[] => SALESFORCE[object] ?? [];

const NAMES = [
  'Maxi-Teq GmbH: workplaces',
  'Norm Thompson: spring',
  'Parameter Technology',
  'SG Electronics',
  'Microchips',
  'Export desk',
];

export const OPPORTUNITIES: Record<string, unknown>[] = NAMES.map((Name, n) => ({
  Id: `0065g0000042${n}kLmAAI`,
  Name,
  Amount: 1190.5 * (n + 1),
  CloseDate: `2026-11-${10 + n}`,
  Type: n % 2 ? 'Existing Business' : 'New Business',
  Description: n === 2 ? null : `Confirmed by telephone, part ${n + 1}`,
  Tandem_PO_Number__c: `PO 77${n}1`,
  Tandem_Order_Notes__c: n === 1 ? null : 'Deliver to the back entrance',
  Tandem_Ship_To__c: 'Ship to',
  Tandem_Bill_To__c: 'Bill to',
  Region__c: ['North', 'South', 'East', 'West', 'North', 'Export'][n],
  Project_Code__c: `P-20${n}`,
  Cost_Centre__c: `CC${n}0`,
  Incoterms__c: 'DAP',
  Delivery_Window__c: 'Mon to Wed, mornings',
  Sales_Rep_Code__c: `R0${n}`,
  Gift_Message__c: n === 3 ? 'With our thanks' : null,
  Contract_Number__c: `K-4${n}7`,
  Priority__c: String((n % 3) + 1),
  Loading_Bay__c: 'B2',
  Account: { Name, Region__c: 'North', Phone: '0621 555010' },
}));
export const LINES: Record<string, unknown>[] = NAMES.slice(0, 3).map((Name, n) => ({
  Id: `00k5g0000042${n}kLmAAI`,
  Description: Name,
  Quantity: 2 + n,
  UnitPrice: 99.9,
  ServiceDate: '2026-12-04',
  Tandem_Warehouse__c: '01',
  Tandem_Tax_Code__c: 'A1',
  Engraving__c: 'Tandem',
  Colour__c: 'Red',
  Product2: { Tandem_Item_Code__c: 'A00001' },
}));
export const ACCOUNTS: Record<string, unknown>[] = NAMES.map((Name, n) => ({
  Id: `0015g0000042${n}QrsAAE`,
  Name,
  Phone: `0621 5550${n}0`,
  Website: 'www.example.com',
  Tandem_Email__c: 'office@example.com',
  Tandem_Tax_Id__c: `DE12345678${n}`,
  BillingStreet: `Example Street ${n + 1}`,
  BillingCity: 'Mannheim',
  BillingPostalCode: '68159',
  Segment__c: 'A',
  Region__c: 'North',
}));
export const PARTNER_RECORDS: Record<string, unknown>[] = NAMES.map((CardName, n) => ({
  CardCode: `C2000${n}`,
  CardName,
  Phone1: `0621 5550${n}0`,
  Website: 'www.example.com',
  EmailAddress: 'office@example.com',
  FederalTaxID: `DE12345678${n}`,
  BillTo: { Street: `Example Street ${n + 1}`, City: 'Mannheim', ZipCode: '68159', Country: 'DE' },
  U_Segment: 'A',
  U_Region: 'N',
}));
