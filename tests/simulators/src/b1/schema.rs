//! The entities the simulator serves: their properties with types, enumerations, keys and navigation. Source: the Service
//! Layer's own metadata as far as the shared facts name the properties. `$metadata` is written from this, and what a
//! client sends is checked against it.

use std::sync::LazyLock;

use serde_json::Value;

use super::Refusal;
use super::database::{Database, Record};
use super::odata::decimal;

/// What a property holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Text of at most so many letters.
    Text(usize),
    Int,
    /// An exact decimal.
    Number,
    /// A day without time, company-local.
    Day,
    Time,
    Enum(&'static str),
    /// A collection of a complex type.
    Many(&'static str),
}

/// A property.
#[derive(Clone, Debug)]
pub struct Property {
    pub name: &'static str,
    pub kind: Type,
    /// Computed: a client cannot set it.
    pub read_only: bool,
}

/// An entity set.
#[derive(Clone, Copy, Debug)]
pub struct Set {
    pub name: &'static str,
    pub entity: &'static str,
    pub keys: &'static [&'static str],
    /// The table whose user fields extend it; empty for none.
    pub table: &'static str,
}

const fn set(name: &'static str, entity: &'static str, keys: &'static [&'static str], table: &'static str) -> Set {
    Set { name, entity, keys, table }
}

/// All entity sets but user tables.
pub const SETS: [Set; 31] = [
    set("BusinessPartners", "BusinessPartner", &["CardCode"], "OCRD"),
    set("Items", "Item", &["ItemCode"], "OITM"),
    set("Warehouses", "Warehouse", &["WarehouseCode"], "OWHS"),
    set("PriceLists", "PriceList", &["PriceListNo"], ""),
    set("SpecialPrices", "SpecialPrice", &["CardCode", "ItemCode"], ""),
    set("Currencies", "Currency", &["Code"], ""),
    set("SalesTaxCodes", "SalesTaxCode", &["Code"], ""),
    set("PaymentTermsTypes", "PaymentTermsType", &["GroupNumber"], ""),
    set("SalesPersons", "SalesPerson", &["SalesEmployeeCode"], "OSLP"),
    set("Quotations", "Document", &["DocEntry"], "ORDR"),
    set("Orders", "Document", &["DocEntry"], "ORDR"),
    set("DeliveryNotes", "Document", &["DocEntry"], "ORDR"),
    set("Returns", "Document", &["DocEntry"], "ORDR"),
    set("Invoices", "Document", &["DocEntry"], "ORDR"),
    set("CreditNotes", "Document", &["DocEntry"], "ORDR"),
    set("DownPayments", "Document", &["DocEntry"], "ORDR"),
    set("PurchaseOrders", "Document", &["DocEntry"], "ORDR"),
    set("Drafts", "Document", &["DocEntry"], "ORDR"),
    set("IncomingPayments", "Payment", &["DocEntry"], "ORCT"),
    set("JournalEntries", "JournalEntry", &["JdtNum"], ""),
    set("InternalReconciliations", "InternalReconciliation", &["ReconNum"], ""),
    set("UserFieldsMD", "UserFieldMD", &["TableName", "FieldID"], ""),
    set("UserTablesMD", "UserTablesMD", &["TableName"], ""),
    set("SQLQueries", "SQLQuery", &["SqlCode"], ""),
    set("EventSubscriptions", "EventSubscription", &["WebhookID"], ""),
    set("EventNotifications", "EventNotification", &["EventID"], ""),
    set("UnitOfMeasurements", "UnitOfMeasurement", &["AbsEntry"], ""),
    set("UnitOfMeasurementGroups", "UnitOfMeasurementGroup", &["AbsEntry"], ""),
    set("BusinessPartnerGroups", "BusinessPartnerGroup", &["Code"], ""),
    set("BusinessPlaces", "BusinessPlace", &["BPLID"], ""),
    set("AdditionalExpenses", "AdditionalExpense", &["ExpensCode"], ""),
];

/// Enumerations and their members.
pub const ENUMS: [(&str, &[&str]); 18] = [
    ("BoYesNoEnum", &["tNO", "tYES"]),
    ("BoStatus", &["bost_Open", "bost_Close", "bost_Paid", "bost_Delivered"]),
    ("BoCardTypes", &["cCustomer", "cSupplier", "cLid"]),
    ("BoAddressType", &["bo_ShipTo", "bo_BillTo"]),
    ("BoDocumentTypes", &["dDocument_Items", "dDocument_Service"]),
    ("BoRcptInvTypes", &["it_Invoice", "it_CredItnote", "it_DownPayment", "it_AllTransactions"]),
    ("BoRcptTypes", &["rCustomer", "rAccount", "rSupplier"]),
    ("BoFieldTypes", &["db_Alpha", "db_Memo", "db_Numeric", "db_Date", "db_Float"]),
    (
        "BoFldSubTypes",
        &[
            "st_None",
            "st_Address",
            "st_Phone",
            "st_Time",
            "st_Rate",
            "st_Sum",
            "st_Price",
            "st_Quantity",
            "st_Percentage",
            "st_Measurement",
            "st_Link",
            "st_Image",
        ],
    ),
    (
        "BoUTBTableType",
        &[
            "bott_Document",
            "bott_DocumentLines",
            "bott_MasterData",
            "bott_MasterDataLines",
            "bott_NoObject",
            "bott_NoObjectAutoIncrement",
        ],
    ),
    ("WebhookAuthTypeEnum", &["None", "Basic", "HMAC", "OAuth"]),
    ("WebhookStatusEnum", &["Active", "Inactive"]),
    ("DownPaymentTypeEnum", &["dptRequest", "dptInvoice"]),
    ("CancelStatusEnum", &["csNo", "csYes", "csCancellation"]),
    ("CardOrAccountEnum", &["coaCard", "coaAccount"]),
    ("BoCreditOrDebitEnum", &["codCredit", "codDebit"]),
    (
        "DocumentAuthorizationStatusEnum",
        &[
            "dasWithout",
            "dasPending",
            "dasApproved",
            "dasRejected",
            "dasGenerated",
            "dasGeneratedbyAuthorizer",
            "dasCancelled",
        ],
    ),
    (
        "BoItemTreeTypes",
        &["iNotATree", "iAssemblyTree", "iSalesTree", "iProductionTree", "iTemplateTree", "iIngredient"],
    ),
];

/// Entity and complex types: `name:type[=]`. The type is a length of text, `int`, `num`, `day`, `time`, the name of an
/// enumeration, or `[Complex]`; `=` says that a client cannot set it.
const TYPES: [(&str, &[&str]); 41] = [
    (
        "BusinessPartner",
        &[
            "CardCode:15",
            "CardName:100",
            "CardForeignName:100",
            "CardType:BoCardTypes",
            "GroupCode:int",
            "Series:int",
            "FederalTaxID:32",
            "VatIDNum:32",
            "UnifiedFederalTaxID:32",
            "Phone1:20",
            "Phone2:20",
            "Cellular:50",
            "Fax:20",
            "EmailAddress:100",
            "Website:100",
            "Notes:100",
            "FreeText:64000",
            "Currency:3",
            "PriceListNum:int",
            "PayTermsGrpCode:int",
            "CreditLimit:num",
            "DiscountPercent:num",
            "MaxCommitment:num",
            "CurrentAccountBalance:num=",
            "OpenOrdersBalance:num=",
            "OpenDeliveryNotesBalance:num=",
            "Valid:BoYesNoEnum",
            "ValidFrom:day",
            "ValidTo:day",
            "Frozen:BoYesNoEnum",
            "FrozenFrom:day",
            "FrozenTo:day",
            "SalesPersonCode:int",
            "ContactPerson:90",
            "ShipToDefault:50",
            "BilltoDefault:50",
            "AdditionalID:64",
            "Industry:int",
            "Territory:int",
            "VatGroup:8",
            "CreateDate:day=",
            "CreateTime:time=",
            "UpdateDate:day=",
            "UpdateTime:time=",
            "BPAddresses:[BPAddress]",
            "BPBranchAssignment:[BPBranchAssignment]",
            "ContactEmployees:[ContactEmployee]",
        ],
    ),
    (
        "BPAddress",
        &[
            "AddressName:50",
            "AddressType:BoAddressType",
            "Street:100",
            "StreetNo:100",
            "Block:100",
            "BuildingFloorRoom:64000",
            "ZipCode:20",
            "City:100",
            "County:100",
            "State:3",
            "Country:3",
            "FederalTaxID:32",
            "GlobalLocationNumber:50",
            "BPCode:15=",
            "RowNum:int",
        ],
    ),
    (
        "ContactEmployee",
        &[
            "InternalCode:int",
            "Name:90",
            "FirstName:50",
            "MiddleName:50",
            "LastName:50",
            "Title:10",
            "Position:90",
            "Address:100",
            "Phone1:20",
            "Phone2:20",
            "MobilePhone:50",
            "Fax:20",
            "E_Mail:100",
            "Remarks1:100",
            "Active:BoYesNoEnum",
            "CardCode:15=",
        ],
    ),
    (
        "Item",
        &[
            "ItemCode:50",
            "ItemName:200",
            "ForeignName:200",
            "ItemsGroupCode:int",
            "Series:int",
            "BarCode:254",
            "SalesItem:BoYesNoEnum",
            "PurchaseItem:BoYesNoEnum",
            "InventoryItem:BoYesNoEnum",
            "Valid:BoYesNoEnum",
            "ValidFrom:day",
            "ValidTo:day",
            "Frozen:BoYesNoEnum",
            "FrozenFrom:day",
            "FrozenTo:day",
            "SalesUnit:100",
            "InventoryUOM:100",
            "SalesItemsPerUnit:num",
            "PurchaseItemsPerUnit:num",
            "UoMGroupEntry:int",
            "DefaultSalesUoMEntry:int",
            "InventoryUoMEntry:int",
            "PricingUnit:int",
            "SalesVATGroup:8",
            "DefaultWarehouse:8",
            "ManageBatchNumbers:BoYesNoEnum",
            "ManageSerialNumbers:BoYesNoEnum",
            "Manufacturer:int",
            "User_Text:64000",
            "QuantityOnStock:num=",
            "QuantityOrderedByCustomers:num=",
            "QuantityOrderedFromVendors:num=",
            "CreateDate:day=",
            "CreateTime:time=",
            "UpdateDate:day=",
            "UpdateTime:time=",
            "ItemPrices:[ItemPrice]",
            "ItemWarehouseInfoCollection:[ItemWarehouseInfo]",
        ],
    ),
    (
        "ItemPrice",
        &[
            "PriceList:int",
            "Price:num",
            "Currency:3",
            "AdditionalPrice1:num",
            "AdditionalCurrency1:3",
            "AdditionalPrice2:num",
            "AdditionalCurrency2:3",
            "BasePriceList:int",
            "Factor:num",
        ],
    ),
    (
        "ItemWarehouseInfo",
        &[
            "WarehouseCode:8",
            "InStock:num=",
            "Committed:num=",
            "Ordered:num=",
            "MinimalStock:num",
            "MaximalStock:num",
            "Locked:BoYesNoEnum",
            "ItemCode:50=",
        ],
    ),
    (
        "Warehouse",
        &[
            "WarehouseCode:8",
            "WarehouseName:100",
            "Street:100",
            "City:100",
            "ZipCode:20",
            "Country:3",
            "Inactive:BoYesNoEnum",
            "BusinessPlaceID:int",
        ],
    ),
    (
        "PriceList",
        &[
            "PriceListNo:int",
            "PriceListName:32",
            "IsGrossPrice:BoYesNoEnum",
            "Active:BoYesNoEnum",
            "ValidFrom:day",
            "ValidTo:day",
            "DefaultPrimeCurrency:3",
            "BasePriceList:int",
            "Factor:num",
        ],
    ),
    (
        "SpecialPrice",
        &[
            "CardCode:15",
            "ItemCode:50",
            "Price:num",
            "Currency:3",
            "DiscountPercent:num",
            "PriceListNum:int",
            "AutoUpdate:BoYesNoEnum",
            "ValidFrom:day",
            "ValidTo:day",
            "Valid:BoYesNoEnum",
        ],
    ),
    ("Currency", &["Code:3", "Name:20", "DocumentsCode:3", "InternationalDescription:20"]),
    ("JournalEntry", &["JdtNum:int=", "ReferenceDate:day", "Memo:50", "JournalEntryLines:[JournalEntryLine]"]),
    ("JournalEntryLine", &["Line_ID:int", "AccountCode:15", "ShortName:15", "Debit:num", "Credit:num", "LineMemo:50"]),
    ("UnitOfMeasurement", &["AbsEntry:int", "Code:20", "Name:100"]),
    (
        "UnitOfMeasurementGroup",
        &["AbsEntry:int", "Code:20", "Name:100", "BaseUoM:int", "UoMGroupDefinitionCollection:[UoMGroupDefinition]"],
    ),
    ("UoMGroupDefinition", &["AlternateUoM:int", "AlternateQuantity:num", "BaseQuantity:num", "Active:BoYesNoEnum"]),
    ("SalesTaxCode", &["Code:8", "Name:100", "Rate:num"]),
    ("PaymentTermsType", &["GroupNumber:int", "PaymentTermsGroupName:100", "NumberOfAdditionalDays:int"]),
    ("SalesPerson", &["SalesEmployeeCode:int", "SalesEmployeeName:155", "Active:BoYesNoEnum"]),
    ("BusinessPartnerGroup", &["Code:int", "Name:20", "Type:50"]),
    (
        "Document",
        &[
            "DocEntry:int=",
            "DocNum:int",
            "DocType:BoDocumentTypes",
            "Series:int",
            "HandWritten:BoYesNoEnum",
            "CardCode:15",
            "CardName:100",
            "NumAtCard:100",
            "Address:254",
            "Address2:254",
            "DocDate:day",
            "DocDueDate:day",
            "TaxDate:day",
            "RequriedDate:day",
            "CancelDate:day",
            "DocCurrency:3",
            "DocRate:num",
            "DocTotal:num",
            "DocTotalFc:num",
            "DocTotalSys:num=",
            "VatSum:num=",
            "VatSumFc:num=",
            "PaidToDate:num=",
            "PaidToDateFC:num=",
            "DiscountPercent:num",
            "TotalDiscount:num",
            "DocumentStatus:BoStatus=",
            "Cancelled:BoYesNoEnum=",
            "CancelStatus:CancelStatusEnum=",
            "Confirmed:BoYesNoEnum",
            "ShipToCode:50",
            "PayToCode:50",
            "TransportationCode:int",
            "TrackingNumber:30",
            "Comments:254",
            "JournalMemo:50",
            "SalesPersonCode:int",
            "ContactPersonCode:int",
            "DocumentsOwner:int",
            "PaymentGroupCode:int",
            "Project:20",
            "Reference1:11",
            "Reference2:11",
            "DocObjectCode:20",
            "AuthorizationStatus:DocumentAuthorizationStatusEnum=",
            "BPL_IDAssignedToInvoice:int",
            "BPLName:100=",
            "DocumentAdditionalExpenses:[DocumentAdditionalExpense]",
            "DownPaymentType:DownPaymentTypeEnum",
            "ReserveInvoice:BoYesNoEnum",
            "DocumentInstallments:[DocumentInstallment]",
            "CreationDate:day=",
            "DocTime:time=",
            "UpdateDate:day=",
            "UpdateTime:time=",
            "DocumentLines:[DocumentLine]",
        ],
    ),
    (
        "DocumentLine",
        &[
            "LineNum:int",
            "VisualOrder:int=",
            "ItemCode:50",
            "ItemDescription:200",
            "FreeText:100",
            "Quantity:num",
            "RemainingOpenQuantity:num",
            "OpenAmount:num=",
            "UnitPrice:num",
            "Price:num",
            "PriceAfterVAT:num",
            "Currency:3",
            "Rate:num",
            "DiscountPercent:num",
            "WarehouseCode:8",
            "TaxCode:8",
            "VatGroup:8",
            "TaxPercentagePerRow:num=",
            "LineTotal:num",
            "RowTotalFC:num",
            "ShipDate:day",
            "LineStatus:BoStatus=",
            "TreeType:BoItemTreeTypes=",
            "BaseType:int",
            "BaseEntry:int",
            "BaseLine:int",
            "AccountCode:15",
            "SalesPersonCode:int",
            "ProjectCode:20",
            "UoMEntry:int",
            "UoMCode:20",
            "MeasureUnit:100",
            "UseBaseUnits:BoYesNoEnum",
            "UnitsOfMeasurment:num",
            "InventoryQuantity:num=",
            "SupplierCatNum:50",
            "WithoutInventoryMovement:BoYesNoEnum",
            "DocEntry:int=",
            "BatchNumbers:[BatchNumber]",
            "SerialNumbers:[SerialNumber]",
            "DocumentLineAdditionalExpenses:[DocumentLineAdditionalExpense]",
        ],
    ),
    (
        "DocumentAdditionalExpense",
        &[
            "LineNum:int",
            "ExpenseCode:int",
            "LineTotal:num",
            "LineGross:num=",
            "Remarks:100",
            "VatGroup:8",
            "TaxPercent:num=",
            "TaxSum:num=",
            "BaseDocEntry:int",
            "BaseDocLine:int",
            "BaseDocType:int",
        ],
    ),
    (
        "DocumentLineAdditionalExpense",
        &[
            "LineNumber:int",
            "GroupCode:int",
            "ExpenseCode:int",
            "LineTotal:num",
            "LineGross:num=",
            "VatGroup:8",
            "TaxPercent:num=",
            "TaxSum:num=",
        ],
    ),
    ("DocumentInstallment", &["InstallmentId:int", "DueDate:day", "Percentage:num", "Total:num", "TotalFC:num="]),
    (
        "InternalReconciliation",
        &[
            "ReconNum:int=",
            "ReconDate:day",
            "CardOrAccount:CardOrAccountEnum",
            "Total:num=",
            "InternalReconciliationOpenTransRows:[InternalReconciliationOpenTransRow]",
        ],
    ),
    (
        "InternalReconciliationOpenTransRow",
        &[
            "Selected:BoYesNoEnum",
            "ShortName:15",
            "TransId:int",
            "TransRowId:int",
            "SrcObjTyp:20",
            "SrcObjAbs:int",
            "CreditOrDebit:BoCreditOrDebitEnum",
            "ReconcileAmount:num",
            "CashDiscount:num",
        ],
    ),
    (
        "BatchNumber",
        &["BatchNumber:36", "Quantity:num", "ExpiryDate:day", "ManufacturingDate:day", "BaseLineNumber:int"],
    ),
    (
        "SerialNumber",
        &["InternalSerialNumber:36", "ManufacturerSerialNumber:36", "Quantity:num", "BatchID:36", "BaseLineNumber:int"],
    ),
    ("BusinessPlace", &["BPLID:int", "BPLName:100", "Disabled:BoYesNoEnum", "MainBPL:BoYesNoEnum"]),
    ("BPBranchAssignment", &["BPCode:15", "BPLID:int", "DisabledForBP:BoYesNoEnum"]),
    ("AdditionalExpense", &["ExpensCode:int", "Name:20", "OutputVATGroup:8"]),
    (
        "Payment",
        &[
            "DocEntry:int=",
            "DocNum:int=",
            "DocType:BoRcptTypes",
            "CardCode:15",
            "CardName:100=",
            "DocDate:day",
            "DueDate:day",
            "TaxDate:day",
            "DocCurrency:3",
            "DocRate:num",
            "CashSum:num",
            "CashAccount:15",
            "TransferSum:num",
            "TransferAccount:15",
            "TransferDate:day",
            "TransferReference:27",
            "Remarks:254",
            "JournalRemarks:50",
            "CounterReference:8",
            "Series:int",
            "Cancelled:BoYesNoEnum=",
            "PaymentInvoices:[PaymentInvoice]",
        ],
    ),
    (
        "PaymentInvoice",
        &[
            "LineNum:int",
            "DocEntry:int",
            "SumApplied:num",
            "AppliedFC:num",
            "AppliedSys:num",
            "DocRate:num",
            "InvoiceType:BoRcptInvTypes",
            "DiscountPercent:num",
            "InstallmentId:int",
        ],
    ),
    (
        "UserFieldMD",
        &[
            "TableName:20",
            "FieldID:int",
            "Name:50",
            "Description:80",
            "Type:BoFieldTypes",
            "SubType:BoFldSubTypes",
            "Size:int",
            "EditSize:int",
            "DefaultValue:254",
            "LinkedTable:20",
            "Mandatory:BoYesNoEnum",
            "ValidValuesMD:[ValidValueMD]",
        ],
    ),
    ("ValidValueMD", &["Value:254", "Description:254"]),
    (
        "UserTablesMD",
        &[
            "TableName:20",
            "TableDescription:80",
            "TableType:BoUTBTableType",
            "Archivable:BoYesNoEnum",
            "ArchiveDateField:50",
        ],
    ),
    (
        "SQLQuery",
        &["SqlCode:100", "SqlName:100", "SqlText:64000", "ParamList:1000=", "CreateDate:day=", "UpdateDate:day="],
    ),
    (
        "EventSubscription",
        &[
            "WebhookID:50",
            "WebhookURL:2000",
            "WebhookName:100",
            "Status:WebhookStatusEnum",
            "AuthenticationType:WebhookAuthTypeEnum",
            "AuthenticationCred:4000",
            "VerifyCertificate:BoYesNoEnum",
            "Handshake:BoYesNoEnum",
            "EventCollection:[EventSubscriptionEvent]",
        ],
    ),
    ("EventSubscriptionEvent", &["BusinessObject:50", "TransactionType:50", "BizObjProps:4000", "FilterExpr:4000"]),
    (
        "EventNotification",
        &[
            "EventID:50=",
            "WebhookID:50=",
            "SourceDB:100=",
            "BusinessObject:50=",
            "Operation:50=",
            "Status:20=",
            "FieldNames:254=",
            "FieldValues:254=",
            "CreateDate:day=",
            "CreateTime:20=",
            "KeyData:254=",
        ],
    ),
    ("Value", &["Value:254"]),
];

/// Navigation from an entity: name, target set, and the property that holds the target's key; or, for a collection, the
/// property of the target that holds this entity's key.
pub const NAVIGATION: [(&str, &str, &str, &str, bool); 11] = [
    ("Document", "BusinessPartner", "BusinessPartners", "CardCode", false),
    ("Document", "SalesPerson", "SalesPersons", "SalesPersonCode", false),
    ("Document", "Currency", "Currencies", "DocCurrency", false),
    ("Payment", "BusinessPartner", "BusinessPartners", "CardCode", false),
    ("BusinessPartner", "PriceList", "PriceLists", "PriceListNum", false),
    ("BusinessPartner", "PaymentTermsType", "PaymentTermsTypes", "PayTermsGrpCode", false),
    ("BusinessPartner", "Orders", "Orders", "CardCode", true),
    ("BusinessPartner", "DeliveryNotes", "DeliveryNotes", "CardCode", true),
    ("BusinessPartner", "Invoices", "Invoices", "CardCode", true),
    ("BusinessPartner", "IncomingPayments", "IncomingPayments", "CardCode", true),
    ("Item", "SpecialPrices", "SpecialPrices", "ItemCode", true),
];

/// Types by name, parsed once.
pub static PARSED: LazyLock<Vec<(&'static str, Vec<Property>)>> = LazyLock::new(|| {
    TYPES.iter().map(|(name, properties)| (*name, properties.iter().map(|text| property(text)).collect())).collect()
});

fn property(text: &'static str) -> Property {
    let (name, kind) = text.split_once(':').unwrap_or((text, "254"));
    let (kind, read_only) = (kind.trim_end_matches('='), kind.ends_with('='));
    let kind = match kind {
        "int" => Type::Int,
        "num" => Type::Number,
        "day" => Type::Day,
        "time" => Type::Time,
        _ if kind.starts_with('[') => Type::Many(kind.trim_matches(['[', ']'])),
        _ => kind.parse().map_or(Type::Enum(kind), Type::Text),
    };
    Property { name, kind, read_only }
}

/// The properties of a type; none for one that is not declared.
pub fn properties(kind: &str) -> &'static [Property] {
    PARSED.iter().find(|(name, _)| *name == kind).map(|(_, properties)| properties.as_slice()).unwrap_or_default()
}

/// An entity set by name.
pub fn known_set(name: &str) -> Option<&'static Set> {
    SETS.iter().find(|set| set.name == name)
}

/// The table whose user fields a type has: header, lines and addresses differ.
fn user_table<'a>(kind: &str, set_table: &'a str) -> &'a str {
    match kind {
        "DocumentLine" => "RDR1",
        "BPAddress" => "CRD1",
        "ContactEmployee" => "OCPR",
        "ItemPrice" | "ItemWarehouseInfo" | "PaymentInvoice" => "",
        _ => set_table,
    }
}

/// Checks a body against a type: properties, enumerations, lengths, valid values of user fields. Computed properties are
/// dropped, as B1 does, and dates brought into B1's form.
pub fn check(db: &Database, kind: &str, table: &str, body: &Record) -> Result<Record, Refusal> {
    let mut checked = Record::new();
    for (name, value) in body {
        if name.starts_with("@odata") || name.starts_with("odata.") {
            continue;
        }
        if let Some(field) = name.strip_prefix("U_").and_then(|_| db.user_field(user_table(kind, table), name)) {
            checked.insert(name.clone(), user_value(name, field, value)?);
            continue;
        }
        let Some(property) = properties(kind).iter().find(|property| property.name == name) else {
            return Err(Refusal::new(400, -1000, format!("Property '{name}' of '{kind}' is invalid")));
        };
        let value = fit(db, kind, table, property, value)?;
        if !property.read_only {
            checked.insert(name.clone(), value);
        }
    }
    Ok(checked)
}

fn fit(db: &Database, kind: &str, table: &str, property: &Property, value: &Value) -> Result<Value, Refusal> {
    let name = property.name;
    let wrong = |what: &str| {
        Refusal::new(400, -1000, format!("Invalid value for property '{name}' of '{kind}': {what} is expected"))
    };
    if value.is_null() {
        return Ok(Value::Null);
    }
    match &property.kind {
        Type::Text(most) => {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return Err(wrong("text")),
            };
            if text.chars().count() > *most {
                return Err(Refusal::new(400, -1000, format!("Value too long in property '{name}' of '{kind}'")));
            }
            Ok(text.into())
        }
        Type::Int => match decimal(value) {
            Some(number) if number.fract().is_zero() => {
                Ok(serde_json::from_str(&number.trunc().to_string()).unwrap_or_default())
            }
            _ => Err(wrong("a whole number")),
        },
        Type::Number => decimal(value).map(super::odata::number_value).ok_or_else(|| wrong("a number")),
        Type::Day => {
            let text = value.as_str().ok_or_else(|| wrong("a date"))?;
            let compact = text.len() == 8 && text.chars().all(|c| c.is_ascii_digit());
            let day = if compact { format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]) } else { text.to_owned() };
            if day.is_empty() {
                return Ok(Value::Null);
            }
            let day = day.get(..10).filter(|day| chrono::NaiveDate::parse_from_str(day, "%Y-%m-%d").is_ok());
            day.map(|day| format!("{day}T00:00:00Z").into()).ok_or_else(|| wrong("a date"))
        }
        Type::Time => value.as_str().map(|text| text.into()).ok_or_else(|| wrong("a time")),
        Type::Enum(enumeration) => {
            let members =
                ENUMS.iter().find(|(name, _)| name == enumeration).map(|(_, members)| *members).unwrap_or_default();
            // The database's own letters are taken too: Y, N, O, C.
            let short = match (value.as_str().unwrap_or_default(), *enumeration) {
                ("Y", "BoYesNoEnum") => "tYES",
                ("N", "BoYesNoEnum") => "tNO",
                (text, _) => text,
            };
            if members.contains(&short) {
                Ok(short.into())
            } else {
                Err(Refusal::new(
                    400,
                    -1000,
                    format!(
                        "Enumeration value {value} of property '{name}' of '{kind}' is invalid; expected {}",
                        members.join(", ")
                    ),
                ))
            }
        }
        Type::Many(inner) => {
            let rows = value.as_array().ok_or_else(|| wrong("a collection"))?;
            let mut checked = Vec::with_capacity(rows.len());
            for row in rows {
                let row = row.as_object().ok_or_else(|| wrong("a collection of objects"))?;
                checked.push(Value::Object(check(db, inner, table, row)?));
            }
            Ok(Value::Array(checked))
        }
    }
}

fn user_value(name: &str, field: &Record, value: &Value) -> Result<Value, Refusal> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let allowed: Vec<&str> = field
        .get("ValidValuesMD")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|value| value["Value"].as_str())
        .collect();
    if !allowed.is_empty() && !allowed.contains(&text.as_str()) {
        return Err(Refusal::new(
            400,
            -10,
            format!("Value '{text}' of field '{name}' is not in the list of valid values"),
        ));
    }
    match field.get("Type").and_then(Value::as_str).unwrap_or("db_Alpha") {
        "db_Numeric" | "db_Float" => decimal(value).map(super::odata::number_value).ok_or_else(|| {
            Refusal::new(400, -1000, format!("Invalid value for property '{name}': a number is expected"))
        }),
        "db_Date" => Ok(format!("{}T00:00:00Z", text.get(..10).unwrap_or_default()).into()),
        "db_Memo" => Ok(text.into()),
        _ => {
            let size = field.get("Size").and_then(Value::as_u64).unwrap_or(254);
            if text.chars().count() as u64 > size {
                return Err(Refusal::new(400, -1000, format!("Value too long in property '{name}'")));
            }
            Ok(text.into())
        }
    }
}

/// True for a property that can be selected from or filtered by on an entity set.
pub fn has(db: &Database, set: &str, path: &str) -> bool {
    let Some(known) = known_set(set) else {
        // A user table.
        return matches!(path, "Code" | "Name") || path.starts_with("U_");
    };
    let (head, rest) = path.split_once('/').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let property = properties(known.entity).iter().find(|property| property.name == head);
    match (property.map(|property| &property.kind), rest) {
        (Some(Type::Many(inner)), Some(rest)) => {
            properties(inner).iter().any(|property| property.name == rest)
                || db.user_field(user_table(inner, known.table), rest).is_some()
        }
        (Some(_), None) => true,
        (None, None) => {
            db.user_field(known.table, head).is_some()
                || NAVIGATION.iter().any(|(entity, name, ..)| *entity == known.entity && *name == head)
        }
        (None, Some(rest)) => {
            let target = NAVIGATION.iter().find(|(entity, name, ..)| *entity == known.entity && *name == head);
            target.is_some_and(|(_, _, target, ..)| has(db, target, rest))
        }
        _ => false,
    }
}
