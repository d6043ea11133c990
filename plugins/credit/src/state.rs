//! How credit is judged.

use tandem_sdk::{Decimal, Map, Number, Said, Value, b1};

use crate::describe::Settings;

/// ok, near the limit, beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Ok,
    Near,
    Exceeded,
}

impl State {
    /// As the account shows it; ok for what it does not show yet.
    pub fn read(word: &str) -> Self {
        match word {
            "near" => Self::Near,
            "exceeded" => Self::Exceeded,
            _ => Self::Ok,
        }
    }

    /// As the account shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Near => "near",
            Self::Exceeded => "exceeded",
        }
    }

    /// A crossing that somebody must hear of.
    pub fn graver_than(self, before: Self) -> bool {
        self > before
    }
}

/// A customer's credit, in company currency.
pub struct Credit {
    /// Zero means none.
    limit: Decimal,
    pub balance: Decimal,
    pub orders: Decimal,
    pub deliveries: Decimal,
}

impl Credit {
    /// From a business partner.
    pub fn of(partner: &Value) -> Self {
        Self {
            limit: b1::amount(partner, "CreditLimit"),
            balance: b1::amount(partner, "CurrentAccountBalance"),
            orders: b1::amount(partner, "OpenOrdersBalance"),
            deliveries: b1::amount(partner, "OpenDeliveryNotesBalance"),
        }
    }

    pub fn exposure(&self) -> Decimal {
        self.balance + self.orders + self.deliveries
    }

    /// None where there is no limit.
    pub fn limit(&self) -> Option<Decimal> {
        Some(self.limit).filter(|limit| *limit > Decimal::ZERO)
    }

    /// What is left of the limit, where there is one.
    pub fn headroom(&self) -> Option<Decimal> {
        Some(self.limit()? - self.exposure())
    }

    /// The state, by thresholds in percent of the limit. One left behind is only left again when the exposure has
    /// fallen by the hysteresis, so that a customer at the threshold does not flap.
    pub fn state(&self, settings: &Settings, before: State) -> State {
        if self.limit <= Decimal::ZERO {
            return State::Ok;
        }
        let percent = self.exposure() * Decimal::ONE_HUNDRED / self.limit;
        let reached = |state: State, at: Number| {
            percent >= if before >= state { *at - *settings.hysteresis_percent } else { *at }
        };
        if reached(State::Exceeded, settings.exceeded_percent) {
            State::Exceeded
        } else if reached(State::Near, settings.near_percent) {
            State::Near
        } else {
            State::Ok
        }
    }

    /// What the account shows. `currency` is the company's own; where it is not known the account keeps what it shows.
    pub fn fields(&self, state: State, currency: Option<&str>) -> Map<String, Value> {
        let told = |amount: Option<Decimal>| amount.map_or(Value::Null, b1::number);
        [
            ("Tandem_Credit_Limit__c", told(self.limit())),
            ("Tandem_Balance__c", b1::number(self.balance)),
            ("Tandem_Open_Orders__c", b1::number(self.orders)),
            ("Tandem_Open_Deliveries__c", b1::number(self.deliveries)),
            ("Tandem_Exposure__c", b1::number(self.exposure())),
            ("Tandem_Headroom__c", told(self.headroom())),
            ("Tandem_Credit_State__c", state.word().into()),
        ]
        .into_iter()
        .chain(currency.map(|currency| ("Tandem_Currency__c", currency.into())))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// What a crossing means; `currency` is the company's own, empty where it is not known.
    pub fn words(&self, state: State, card_code: &str, currency: &str) -> String {
        let used = match self.limit > Decimal::ZERO {
            true => (self.exposure() * Decimal::ONE_HUNDRED / self.limit).floor(),
            false => Decimal::ONE_HUNDRED,
        };
        let what = if state == State::Exceeded { "exceeded" } else { "nearly used up" };
        let told = |amount: Decimal| Said::amount(amount, currency);
        format!(
            "The customer {card_code} has used {used} % of its credit limit, which counts as {what}. Limit {}, exposure {} (balance {}, open orders {}, open deliveries {}).",
            told(self.limit),
            told(self.exposure()),
            told(self.balance),
            told(self.orders),
            told(self.deliveries)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credit(exposure: i64) -> Credit {
        Credit { limit: 1000.into(), balance: exposure.into(), orders: Decimal::ZERO, deliveries: Decimal::ZERO }
    }

    #[test]
    fn thresholds_with_hysteresis() {
        let settings = Settings::default();
        assert_eq!(credit(799).state(&settings, State::Ok), State::Ok);
        assert_eq!(credit(800).state(&settings, State::Ok), State::Near);
        assert_eq!(credit(790).state(&settings, State::Near), State::Near, "it does not flap");
        assert_eq!(credit(740).state(&settings, State::Near), State::Ok);
        assert_eq!(credit(1000).state(&settings, State::Near), State::Exceeded);
        assert_eq!(credit(960).state(&settings, State::Exceeded), State::Exceeded);
        assert_eq!(credit(900).state(&settings, State::Exceeded), State::Near);
    }

    #[test]
    fn a_crossing_is_told_with_the_companys_currency() {
        let words = credit(1500).words(State::Exceeded, "C1", "EUR");
        assert!(words.contains("Limit 1,000.00 EUR, exposure 1,500.00 EUR (balance 1,500.00 EUR"), "{words}");
        assert!(credit(1500).words(State::Exceeded, "C1", "").contains("Limit 1,000.00, exposure 1,500.00 ("));
    }

    #[test]
    fn without_a_limit_there_is_no_headroom_and_no_alarm() {
        let none = Credit { limit: Decimal::ZERO, ..credit(5000) };
        assert_eq!(none.state(&Settings::default(), State::Ok), State::Ok);
        assert_eq!(none.fields(State::Ok, None)["Tandem_Headroom__c"], Value::Null);
    }
}
