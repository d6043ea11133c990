//! What people and agents may ask of customers: to find one, and to have one made of an account.

mod find;
mod make;

use tandem_sdk::tools::{Offer, Offers};

use crate::Accounts;
use crate::describe::Settings;

impl Offers for Accounts {
    type Settings = Settings;

    fn tools() -> Vec<Offer<Settings>> {
        vec![find::offer(), make::offer()]
    }
}
