//! What can be watched in B1, and how each kind of record shows that it changed. Source: the Service Layer manual, and
//! what integrators report of the traps: a stock movement or a new price does not touch the item's `UpdateDate`, a payment
//! does not touch its invoice's, and payments have no `UpdateDate` at all.

use crate::config::B1Config;
use crate::sources::Routes;
use std::time::Duration;

/// How a change shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By `UpdateDate` and `UpdateTime`, company-local and to the second.
    Stamped,
    /// Only ever added: by a growing key.
    Appended,
    /// Not at all: read whole and compared.
    Scanned {
        /// The properties that matter.
        select: &'static str,
        /// Narrows the records; empty for all.
        filter: &'static str,
    },
}

/// One kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The topic is `b1.<topic>`.
    pub topic: &'static str,
    /// Entity set.
    pub set: &'static str,
    /// Key properties.
    pub keys: &'static [&'static str],
    /// How a change shows.
    pub how: How,
    /// How often a look is taken.
    pub pace: Pace,
}

/// How often a look is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// `poll_seconds`
    Poll,
    /// `stock_scan_seconds`
    Stock,
    /// `price_scan_seconds`
    Prices,
}

impl Pace {
    /// As the operator has it.
    pub fn of(self, config: &B1Config) -> Duration {
        match self {
            Self::Poll => Duration::from_secs(config.poll_seconds),
            Self::Stock => Duration::from_secs(config.stock_scan_seconds),
            Self::Prices => Duration::from_secs(config.price_scan_seconds),
        }
    }
}

const fn stamped(set: &'static str, keys: &'static [&'static str]) -> Watch {
    Watch { topic: set, set, keys, how: How::Stamped, pace: Pace::Poll }
}

const fn scanned(
    topic: &'static str,
    set: &'static str,
    keys: &'static [&'static str],
    select: &'static str,
    pace: Pace,
) -> Watch {
    Watch { topic, set, keys, how: How::Scanned { select, filter: "" }, pace }
}

/// All that can be watched.
pub const WATCHES: [Watch; 18] = [
    stamped("BusinessPartners", &["CardCode"]),
    stamped("Items", &["ItemCode"]),
    stamped("Quotations", &["DocEntry"]),
    stamped("Orders", &["DocEntry"]),
    stamped("DeliveryNotes", &["DocEntry"]),
    stamped("Returns", &["DocEntry"]),
    stamped("Invoices", &["DocEntry"]),
    stamped("CreditNotes", &["DocEntry"]),
    stamped("DownPayments", &["DocEntry"]),
    stamped("PurchaseOrders", &["DocEntry"]),
    Watch {
        topic: "IncomingPayments",
        set: "IncomingPayments",
        keys: &["DocEntry"],
        how: How::Appended,
        pace: Pace::Poll,
    },
    // A payment that is cancelled stays where it is: the cancelled ones are few.
    Watch {
        topic: "IncomingPayments",
        set: "IncomingPayments",
        keys: &["DocEntry"],
        how: How::Scanned { select: "DocEntry", filter: "Cancelled eq 'tYES'" },
        pace: Pace::Poll,
    },
    Watch { topic: "JournalEntries", set: "JournalEntries", keys: &["JdtNum"], how: How::Appended, pace: Pace::Poll },
    scanned("ItemStock", "Items", &["ItemCode"], "ItemCode,ItemWarehouseInfoCollection", Pace::Stock),
    scanned("ItemPrices", "Items", &["ItemCode"], "ItemCode,ItemPrices", Pace::Prices),
    scanned(
        "PriceLists",
        "PriceLists",
        &["PriceListNo"],
        "PriceListNo,PriceListName,Active,ValidFrom,ValidTo,DefaultPrimeCurrency",
        Pace::Prices,
    ),
    scanned(
        "SpecialPrices",
        "SpecialPrices",
        &["CardCode", "ItemCode"],
        "CardCode,ItemCode,Price,Currency,DiscountPercent,PriceListNum,Valid,ValidFrom,ValidTo",
        Pace::Prices,
    ),
    scanned("Warehouses", "Warehouses", &["WarehouseCode"], "WarehouseCode,WarehouseName,Inactive", Pace::Prices),
];

/// What the flows ask to watch in a company.
pub fn watched(routes: &Routes, connection: &str) -> Vec<Watch> {
    let topics = routes.topics_of(connection);
    let wanted = |watch: &Watch| topics.iter().any(|topic| topic.strip_prefix("b1.") == Some(watch.topic));
    WATCHES.into_iter().filter(wanted).collect()
}
