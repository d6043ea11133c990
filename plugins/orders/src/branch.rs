//! Companies with several branches: B1 takes an order only with one, and which one is for the mapping to say.

use tandem_sdk::{Error, Said, say};

use crate::plan::Order;

const FIELD: &str = "BPL_IDAssignedToInvoice";

/// What to do about B1's refusal of a new order, where it is about the branch. Only the words added to B1's own depend on this, so
/// it may go by them: the column they name is the same in every language.
pub fn question(order: &Order, error: &Error) -> Option<Said> {
    let Error::Remote(remote) = error else { return None };
    let about_it = remote.message.contains("BPLId") || remote.message.to_lowercase().contains("branch");
    if !about_it {
        return None;
    }
    let mend = match order.header.get(FIELD) {
        None => say(
            "orders.branch_missing",
            "this company has several branches: give the order one in the flow's mapping, as {field} = \"1\" in [header], or by a field of the opportunity",
            [("field", FIELD.into())],
        ),
        Some(branch) => say(
            "orders.branch_wrong",
            "the flow's mapping gives {field} = {branch}: is that an active branch, of this customer and of the rows' warehouses?",
            [("field", FIELD.into()), ("branch", branch.to_string().into())],
        ),
    };
    Some(Said::failed(crate::send::creating(), error).and(mend))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_sdk::{Map, RemoteError, json};

    fn refused(message: &str) -> Error {
        Error::Remote(RemoteError { status: 400, code: "-5002".into(), message: message.into() })
    }

    fn order(header: &[(&str, i64)]) -> Order {
        let header: Map<_, _> = header.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        Order { header, ..Order::default() }
    }

    #[test]
    fn a_refused_branch_is_answered_by_the_rule_to_write_in_any_language() {
        let english =
            question(&order(&[]), &refused("Specify an active branch  [ORDR.BPLId]")).unwrap_or_default().to_string();
        assert!(english.contains("active branch") && english.contains("BPL_IDAssignedToInvoice = \"1\""), "{english}");
        assert!(question(&order(&[]), &refused("Aktive Filiale angeben  [ORDR.BPLId]")).is_some());
        let given = question(&order(&[(FIELD, 3)]), &refused("Specify an active branch  [ORDR.BPLId]"));
        assert!(given.is_some_and(|text| text.english().contains("= 3")));
        assert_eq!(question(&order(&[]), &refused("Quantity falls into negative inventory")), None);
    }
}
