//! What it does while its records are compared, by its setting: where nothing may be written it tries to.

use tandem_sdk::reconcile::{Asked, Comparison, Needs, Page, Reconciles, Which, comparison, row};
use tandem_sdk::{
    Deserialize, Error, JsonSchema, Link, Method, ReviewRequest, Serialize, Side, events, http, json, links, request,
    review, schedule, storage,
};

use crate::Hostile;

#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", default)]
#[schemars(crate = "tandem_sdk::schemars")]
pub struct Settings {
    /// What it does; without it there is nothing to compare
    reconcile: String,
}

impl Reconciles for Hostile {
    type Settings = Settings;

    fn plan(settings: &Settings) -> Vec<Comparison> {
        if settings.reconcile.is_empty() {
            return Vec::new();
        }
        vec![comparison("things", "Things", Some("thing"), Needs::Both)]
    }

    fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
        let mut page = Page { rows: Vec::new(), next: None };
        match asked.settings.reconcile.as_str() {
            "post" => _ = http::send(&request("b1", Method::Post, "/U_NOWHERE", Some(&json!({})), ""))?,
            "storage" => {
                let kept = storage::set("compared", "1").is_ok() && storage::get("compared").is_some();
                let why = format!("the storage keeps what is written: {kept}");
                return Err(Error::Invalid(why));
            }
            "link" => links::put(&Link {
                kind: "thing".into(),
                b1_id: "1".into(),
                salesforce_id: "001".into(),
                base: "{}".into(),
            }),
            "unlink" => links::delete("thing", "001"),
            "forget" => storage::delete("compared"),
            "emit" => {
                let emission = events::Emission {
                    topic: crate::role::name().into(),
                    key: "1".into(),
                    dedup: "1".into(),
                    payload: "{}".into(),
                };
                let _ = events::emit(&emission);
            }
            "wake" => schedule::wake(1, "1", "{}"),
            "ask" => {
                let request =
                    ReviewRequest { reason: "compared".into(), detail: "null".into(), choices: vec!["retry".into()] };
                review::raise("1", &request);
            }
            "loop" => crate::act::spin(),
            "trap" => panic!("on purpose"),
            "circle" => page.next = Some("again".into()),
            "flood" => page.rows = (0..20_000).map(|n| row(n.to_string(), "", "a thing")).collect(),
            "forge" if asked.side == Side::B1 => page.rows = vec![row("1\u{1b}[2J", "", "a thing")],
            "too-much" => match &asked.which {
                Which::Next { most, .. } if *most > 10 => crate::act::spin(),
                Which::Next { most, .. } => return Err(Error::Invalid(format!("it goes with {most}"))),
                Which::These { .. } => {}
            },
            _ => {}
        }
        Ok(page)
    }
}
