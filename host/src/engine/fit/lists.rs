//! What a code table is made of: the lists of both systems; and real records to try rules on.

use serde::Serialize;

use super::FitError;
use super::fields::{Choice, Field, get};
use super::preview::Way;
use crate::connections::salesforce::percent;
use crate::connections::{Call, key_of};
use crate::engine::Flow;
use crate::sandbox::Section;

/// Values of one list.
const MOST_VALUES: usize = 1_000;
/// Records that are offered.
const MOST_SAMPLES: usize = 10;

/// Properties of B1 that hold a code of a list, with the entity set that is the list, its code and its name.
const LISTS: [(&str, &str, &str, &str); 14] = [
    ("PayTermsGrpCode", "PaymentTermsTypes", "GroupNumber", "PaymentTermsGroupName"),
    ("PaymentGroupCode", "PaymentTermsTypes", "GroupNumber", "PaymentTermsGroupName"),
    ("SalesPersonCode", "SalesPersons", "SalesEmployeeCode", "SalesEmployeeName"),
    ("GroupCode", "BusinessPartnerGroups", "Code", "Name"),
    ("ItemsGroupCode", "ItemGroups", "Number", "GroupName"),
    ("PriceListNum", "PriceLists", "PriceListNo", "PriceListName"),
    ("WarehouseCode", "Warehouses", "WarehouseCode", "WarehouseName"),
    ("DefaultWarehouse", "Warehouses", "WarehouseCode", "WarehouseName"),
    ("VatGroup", "VatGroups", "Code", "Name"),
    ("Currency", "Currencies", "Code", "Name"),
    ("TransportationCode", "ShippingTypes", "Code", "Name"),
    ("ShippingType", "ShippingTypes", "Code", "Name"),
    ("Territory", "Territories", "TerritoryID", "Description"),
    ("Industry", "Industries", "IndustryCode", "IndustryName"),
];

/// A row of a proposed code table.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Proposed {
    /// What the source has.
    pub code: String,
    /// What the target gets.
    pub value: String,
    /// `same value`, `same label`, `alike`.
    pub why: &'static str,
}

/// A record that rules may be tried on.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Sample {
    /// Its id or key.
    pub id: String,
    /// As people know it.
    pub words: String,
}

/// The list behind a property of B1: its own values, those that its user field may have, or the entity set that it is a code of.
pub async fn choices(flow: &Flow, section: &Section, field: &Field) -> Result<Vec<Choice>, FitError> {
    if let Some(values) = &field.values {
        return Ok(values.clone());
    }
    if let Some(name) = field.name.strip_prefix("U_") {
        return user_values(flow, section, name).await;
    }
    let Some((_, set, code, name)) = LISTS.iter().find(|(property, ..)| *property == field.name) else {
        return Ok(Vec::new());
    };
    let call = Call::get(format!("/{set}?$select={code},{name}&$top={MOST_VALUES}"));
    let rows = match get(flow, "b1", call).await {
        Ok(rows) => rows,
        Err(FitError::NotFound(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let rows = rows["value"].as_array().cloned().unwrap_or_default();
    let choice = |row: &serde_json::Value| {
        let value = word(&row[*code])?;
        Some(Choice { label: word(&row[*name]).unwrap_or_else(|| value.clone()), value })
    };
    Ok(rows.iter().filter_map(choice).collect())
}

/// What a user field may be. Documents share the fields of one table.
async fn user_values(flow: &Flow, section: &Section, name: &str) -> Result<Vec<Choice>, FitError> {
    let tables: &[&str] = match section.b1.as_str() {
        "BusinessPartners" => &["OCRD"],
        "BusinessPartners/ContactEmployees" => &["OCPR"],
        "BusinessPartners/BPAddresses" => &["CRD1"],
        "Items" => &["OITM"],
        set if set.ends_with("/DocumentLines") => &["RDR1", "INV1"],
        _ => &["ORDR", "OINV"],
    };
    let quoted = name.replace('\'', "''");
    let of = tables.iter().map(|table| format!("TableName eq '{table}'")).collect::<Vec<_>>().join(" or ");
    let filter = percent(&format!("Name eq '{quoted}' and ({of})"));
    let rows = match get(flow, "b1", Call::get(format!("/UserFieldsMD?$filter={filter}"))).await {
        Ok(rows) => rows,
        Err(FitError::NotFound(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let values = rows["value"][0]["ValidValuesMD"].as_array().cloned().unwrap_or_default();
    let choice = |row: &serde_json::Value| {
        let value = word(&row["Value"])?;
        Some(Choice { label: word(&row["Description"]).unwrap_or_else(|| value.clone()), value })
    };
    Ok(values.iter().filter_map(choice).collect())
}

fn word(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) if !text.is_empty() => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Which value of one list is meant by which of another: the same, called the same, or nearly.
pub fn propose(source: &[Choice], target: &[Choice]) -> Vec<Proposed> {
    let plain = |text: &str| text.trim().to_lowercase();
    let mut rows = Vec::new();
    for from in source {
        let same_value = target.iter().find(|to| plain(&to.value) == plain(&from.value));
        let same_label = || target.iter().find(|to| plain(&to.label) == plain(&from.label));
        let alike = || {
            let nearness = |to: &Choice| strsim::jaro_winkler(&plain(&to.label), &plain(&from.label));
            target
                .iter()
                .map(|to| (to, nearness(to)))
                .filter(|(_, near)| *near > 0.88)
                .max_by(|a, b| a.1.total_cmp(&b.1))
        };
        let found = same_value
            .map(|to| (to, "same value"))
            .or_else(|| same_label().map(|to| (to, "same label")))
            .or_else(|| alike().map(|(to, _)| (to, "alike")));
        if let Some((to, why)) = found {
            rows.push(Proposed { code: from.value.clone(), value: to.value.clone(), why });
        }
    }
    rows
}

/// The newest records of a section's source.
pub async fn samples(flow: &Flow, section: &Section, way: Way) -> Result<Vec<Sample>, FitError> {
    match way {
        Way::ToB1 => {
            // Which field people know a record by differs; where it has none of that name, its id must do.
            let object = &section.salesforce;
            let ask = |fields: &str| {
                let soql = format!("SELECT {fields} FROM {object} ORDER BY LastModifiedDate DESC LIMIT {MOST_SAMPLES}");
                Call::get(format!("/query?q={}", percent(&soql)))
            };
            let rows = match get(flow, "salesforce", ask("Id, Name")).await {
                Ok(rows) => rows,
                Err(FitError::Read { .. } | FitError::NotFound(_)) => get(flow, "salesforce", ask("Id")).await?,
                Err(error) => return Err(error),
            };
            let rows = rows["records"].as_array().cloned().unwrap_or_default();
            let sample = |row: &serde_json::Value| {
                let id = word(&row["Id"])?;
                Some(Sample { words: word(&row["Name"]).unwrap_or_else(|| id.clone()), id })
            };
            Ok(rows.iter().filter_map(sample).collect())
        }
        Way::ToSalesforce => {
            let (set, _) = section.b1.split_once('/').unwrap_or((&section.b1, ""));
            let key = key_of(set);
            let name = match set {
                "BusinessPartners" => "CardName",
                "Items" => "ItemName",
                "Warehouses" => "WarehouseName",
                _ if key == "Code" => "Name",
                _ => "DocNum",
            };
            let call = Call::get(
                format!("/{set}?$select={key},{name}&$orderby={key} desc&$top={MOST_SAMPLES}").replace(' ', "%20"),
            );
            let rows = get(flow, "b1", call).await?;
            let rows = rows["value"].as_array().cloned().unwrap_or_default();
            let sample = |row: &serde_json::Value| {
                let id = word(&row[key])?;
                Some(Sample { words: word(&row[name]).unwrap_or_else(|| id.clone()), id })
            };
            Ok(rows.iter().filter_map(sample).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(list: &[(&str, &str)]) -> Vec<Choice> {
        list.iter().map(|(value, label)| Choice { value: (*value).into(), label: (*label).into() }).collect()
    }

    #[test]
    fn a_table_is_proposed_by_value_by_label_and_by_likeness() {
        let source = choices(&[("N", "North"), ("hot", "Hot lead"), ("W", "Western Europe"), ("X", "Nothing of it")]);
        let target = choices(&[("n", "Norden"), ("1", "hot lead"), ("7", "Western Europ"), ("9", "Elsewhere")]);
        let rows: Vec<_> = propose(&source, &target).into_iter().map(|row| (row.code, row.value, row.why)).collect();
        let row = |code: &str, value: &str, why| (code.to_owned(), value.to_owned(), why);
        assert_eq!(rows, [row("N", "n", "same value"), row("hot", "1", "same label"), row("W", "7", "alike")]);
    }
}
