//! The walk against a naive reckoning: from the orders upwards, by recursion.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::json;

const QUOTATION: i64 = 23;

fn line(kind: i64, entry: i64, number: i64) -> Line {
    Line { kind, entry, number }
}

fn row(number: i64, base: Option<Line>, pieces: i64) -> Value {
    let (kind, entry, line) =
        base.map_or((-1, Value::Null, Value::Null), |base| (base.kind, base.entry.into(), base.number.into()));
    json!({ "LineNum": number, "BaseType": kind, "BaseEntry": entry, "BaseLine": line, "Quantity": pieces,
        "LineTotal": pieces * 100, "TaxPercentagePerRow": 19 })
}

fn document(entry: i64, rows: &[Value]) -> Value {
    json!({ "DocEntry": entry, "CancelStatus": "csNo", "DocumentLines": rows })
}

fn chain(documents: &[(i64, Value)]) -> Chain {
    let mut chain = Chain::default();
    for (kind, document) in documents {
        chain.add(*kind, [document]);
    }
    chain
}

#[test]
fn a_credit_memo_is_followed_through_invoice_and_delivery_to_the_orders_line() {
    let chain = chain(&[
        (code::CREDIT_MEMO, document(4, &[row(0, Some(line(13, 3, 1)), 5)])),
        (code::INVOICE, document(3, &[row(0, None, 1), row(1, Some(line(15, 2, 0)), 5)])),
        (code::DELIVERY, document(2, &[row(0, Some(line(17, 1, 7)), 5)])),
    ]);
    let walk = chain.walk(line(14, 4, 0));
    assert_eq!(walk.steps, [line(14, 4, 0), line(13, 3, 1), line(15, 2, 0), line(17, 1, 7)]);
    assert_eq!((walk.end, walk.order()), (End::Order, Some(line(17, 1, 7))));
    assert_eq!(chain.walk(line(13, 3, 0)).end, End::Nothing);
    let moved = Moved { shipped: 5.into(), returned: 5.into(), touched: true, ..Moved::default() };
    assert_eq!(chain.moved(), BTreeMap::from([(line(17, 1, 7), moved)]));
    let (shares, whole) = chain.shares(13, 3);
    assert_eq!((shares[&1].value.to_string(), whole.value.to_string()), ("595".into(), "714".into()));
}

#[test]
fn an_order_that_is_linked_and_carries_no_id_is_one_of_its_opportunity() {
    assert_eq!(either("006", [7].into_iter()), "U_SF_Id eq '006' or DocEntry eq 7");
    assert_eq!(either("006", [].into_iter()), "U_SF_Id eq '006'");
}

#[test]
fn a_ring_and_a_missing_base_are_answers() {
    let chain = chain(&[
        (code::INVOICE, document(1, &[row(0, Some(line(14, 1, 0)), 1), row(1, Some(line(15, 9, 0)), 1)])),
        (code::CREDIT_MEMO, document(1, &[row(0, Some(line(13, 1, 0)), 1)])),
    ]);
    assert_eq!(chain.walk(line(13, 1, 0)).end, End::Ring);
    assert_eq!(chain.walk(line(13, 1, 1)).end, End::Missing);
    assert_eq!(chain.missing(), BTreeSet::from([(15, 9)]));
}

#[test]
fn what_a_cancellation_document_names_counts_for_nothing_and_leaves_the_order_open() {
    let mut cancellation = document(3, &[row(0, Some(line(15, 2, 0)), 5)]);
    cancellation["CancelStatus"] = "csCancellation".into();
    let chain =
        chain(&[(code::DELIVERY, document(2, &[row(0, Some(line(17, 1, 0)), 5)])), (code::DELIVERY, cancellation)]);
    assert!(chain.is_void(15, 2) && chain.is_void(15, 3));
    assert!(chain.moved().is_empty() && chain.shares(15, 2).0.is_empty() && chain.shares(15, 3).0.is_empty());
    // And yet both are about the order.
    assert_eq!((chain.orders(15, 2), chain.orders(15, 3)), (BTreeSet::from([1]), BTreeSet::from([1])));
}

#[test]
fn goods_of_a_reserve_invoice_leave_with_its_delivery_and_a_price_credited_brings_nothing_back() {
    let mut reserve = document(2, &[row(0, Some(line(17, 1, 0)), 5)]);
    reserve["ReserveInvoice"] = "tYES".into();
    let moved =
        |chain: &Chain| chain.moved().get(&line(17, 1, 0)).map(|moved| (moved.shipped, moved.reserved, moved.returned));
    let mut of_price = row(0, Some(line(13, 2, 0)), 5);
    of_price["WithoutInventoryMovement"] = "tYES".into();
    let mut chain = chain(&[(code::INVOICE, reserve), (code::CREDIT_MEMO, document(4, &[of_price]))]);
    assert_eq!(moved(&chain), Some((0.into(), 5.into(), 0.into())));
    chain.add(code::DELIVERY, [&document(3, &[row(0, Some(line(13, 2, 0)), 3)])]);
    assert_eq!(moved(&chain), Some((3.into(), 5.into(), 0.into())));
}

#[test]
fn a_part_is_rounded_like_a_document_of_its_own() {
    let share = |value: i64| Share { quantity: 1.into(), value: Decimal::new(value, 4) };
    // Two orders of 949.27 and 8358.51; B1's total of both is a cent more.
    let (shares, whole) = ([share(9_492_749), share(83_585_124)], share(93_077_873));
    let told = |amount: i64| -> Vec<String> {
        split(Decimal::new(amount, 2), &shares, whole).iter().map(ToString::to_string).collect()
    };
    assert_eq!(told(930_779), ["949.27", "8358.51"]);
    assert_eq!(told(-930_779), ["-949.27", "-8358.51"]);
    assert_eq!(told(465_390), ["474.64", "4179.26"]);
    let free = Share { quantity: 4.into(), value: Decimal::ZERO };
    let one = Share { quantity: 1.into(), value: Decimal::ZERO };
    assert_eq!(split(8.into(), &[one], free), [2.into()]);
}

/// Random documents: any line may come from any other, also in rings, from what is not there, and from kinds that end a walk.
fn documents() -> impl Strategy<Value = Vec<(i64, Value)>> {
    let kinds = [13_i64, 14, 15, 16, 203];
    let base = proptest::option::weighted(
        0.9,
        (proptest::sample::select(vec![13_i64, 14, 15, 16, 17, 17, 17, 203, QUOTATION]), 1..4_i64, 0..3_i64),
    );
    let rows = proptest::collection::vec((base, 1..9_i64, proptest::bool::weighted(0.2)), 0..3);
    let status = proptest::sample::select(vec!["csNo", "csNo", "csNo", "csYes", "csCancellation"]);
    let one = (proptest::sample::select(kinds.to_vec()), 1..4_i64, rows, status, proptest::bool::weighted(0.2));
    proptest::collection::vec(one, 0..9).prop_map(|all| {
        let mut seen = BTreeSet::new();
        let mut documents = Vec::new();
        for (kind, entry, rows, status, reserve) in all {
            if !seen.insert((kind, entry)) {
                continue;
            }
            let rows = rows.into_iter().enumerate().map(|(number, (base, pieces, stays))| {
                let base = base.map(|(kind, entry, number)| line(kind, entry, number));
                let mut row = row(i64::try_from(number).unwrap_or(0), base, pieces);
                row["WithoutInventoryMovement"] = if stays { "tYES" } else { "tNO" }.into();
                row
            });
            let mut document = document(entry, &rows.collect::<Vec<_>>());
            document["CancelStatus"] = status.into();
            document["ReserveInvoice"] = if reserve { "tYES" } else { "tNO" }.into();
            documents.push((kind, document));
        }
        documents
    })
}

/// From an order's line upwards: what comes from it, and what comes from that.
struct Naive<'a>(&'a [(i64, Value)]);

impl Naive<'_> {
    fn void(&self, kind: i64, document: &Value) -> bool {
        let named = |other: &Value| {
            other["CancelStatus"] == "csCancellation"
                && b1::lines(other)
                    .iter()
                    .any(|row| row["BaseType"] == kind && row["BaseEntry"] == document["DocEntry"])
        };
        document["CancelStatus"] != "csNo" || self.0.iter().any(|(own, other)| *own == kind && named(other))
    }

    fn above(&self, at: Line, left: bool, back: bool, moved: &mut (i64, i64), shares: &mut BTreeMap<(i64, i64), i64>) {
        for (kind, document) in self.0 {
            for row in b1::lines(document) {
                let comes = row["BaseType"] == at.kind && row["BaseEntry"] == at.entry && row["BaseLine"] == at.number;
                if !comes {
                    continue;
                }
                let void = self.void(*kind, document);
                let pieces = row["Quantity"].as_i64().unwrap_or(0);
                let entry = document["DocEntry"].as_i64().unwrap_or(0);
                if !void {
                    *shares.entry((*kind, entry)).or_default() += pieces;
                }
                let ships = *kind == 15 || *kind == 13 && document["ReserveInvoice"] == "tNO";
                let returns = *kind == 16 || *kind == 14 && row["WithoutInventoryMovement"] == "tNO";
                let mut own = (0, 0);
                if ships && !left {
                    own.0 += pieces;
                }
                if returns && !back {
                    own.1 += pieces;
                }
                let next = line(*kind, entry, row["LineNum"].as_i64().unwrap_or(0));
                self.above(next, left || ships, back || returns || *kind == 203, &mut own, shares);
                // What is cancelled has moved nothing, nor has what was made of it.
                if !void {
                    moved.0 += own.0;
                    moved.1 += own.1;
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn shares_and_moves_are_those_of_a_naive_reckoning(documents in documents()) {
        let chain = chain(&documents);
        let told = chain.moved();
        let mut shares: BTreeMap<(i64, i64, i64), i64> = BTreeMap::new();
        for (order, number) in (1..4).flat_map(|order| (0..3).map(move |number| (order, number))) {
            let (mut moved, mut own) = ((0, 0), BTreeMap::new());
            Naive(&documents).above(line(17, order, number), false, false, &mut moved, &mut own);
            let now = told.get(&line(17, order, number)).copied().unwrap_or_default();
            prop_assert_eq!((now.shipped, now.returned), (moved.0.into(), moved.1.into()));
            for ((kind, entry), pieces) in own {
                *shares.entry((kind, entry, order)).or_default() += pieces;
            }
        }
        for (kind, document) in &documents {
            let entry = document["DocEntry"].as_i64().unwrap_or(0);
            let (own, whole) = chain.shares(*kind, entry);
            for order in 1..4 {
                let naive = shares.get(&(*kind, entry, order)).copied().unwrap_or(0);
                let told = own.get(&order).copied().unwrap_or_default();
                prop_assert_eq!(told.quantity, naive.into());
                prop_assert_eq!(told.value, (naive * 119).into());
            }
            let parts: Decimal = own.values().map(|share| share.quantity).sum();
            prop_assert!(parts <= whole.quantity);
        }
        // Nothing is asked for twice, whatever hangs on what.
        prop_assert!(chain.missing().iter().all(|missing| !chain.documents.contains_key(missing)));
    }

    #[test]
    fn parts_of_all_of_it_are_all_of_it_but_for_cents(cents in -1_000_000..1_000_000_i64, values in proptest::collection::vec(0..500_i64, 1..6)) {
        let shares: Vec<Share> =
            values.iter().map(|value| Share { quantity: 1.into(), value: (*value).into() }).collect();
        let mut whole = Share::default();
        shares.iter().for_each(|share| whole.add(*share));
        let amount = Decimal::new(cents, 2);
        let parts = split(amount, &shares, whole);
        let off = (parts.iter().sum::<Decimal>() - amount).abs();
        prop_assert!(off <= Decimal::new(5, 2) + Decimal::new(5, 3) * Decimal::from(parts.len()), "{off}");
        prop_assert!(parts.iter().all(|part| part.scale() <= 2));
    }
}
