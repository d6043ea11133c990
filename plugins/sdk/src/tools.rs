//! Tools for people and agents: a plugin that offers some implements [`Offers`], and adds two lines, `#[cfg(target_arch = "wasm32")]` (a native build,
//! such as that of tests, cannot link the names of an interface) and `tandem_sdk::export_tooling!(Type with_types_in tandem_sdk::tools::bindings)`.
//!
//! A tool is a function from a type of its own to another one. What those types say is what people and models read of it, and the host holds each call to
//! it. Of who calls a plugin knows nothing: who may call what is the operator's to say.
//!
//! ```
//! use tandem_sdk::tools::{Asked, Offer, Refusal, reads};
//! use tandem_sdk::{Deserialize, JsonSchema, Serialize};
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(crate = "tandem_sdk::serde")]
//! #[schemars(crate = "tandem_sdk::schemars")]
//! struct Wanted {
//!     /// ItemCode of B1, such as `PUMP-01`
//!     item_code: String,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! #[serde(crate = "tandem_sdk::serde")]
//! #[schemars(crate = "tandem_sdk::schemars")]
//! struct Shelf {
//!     /// Where it lies
//!     shelf: String,
//! }
//!
//! fn shelf_of(_: &Asked<'_, ()>, wanted: Wanted) -> Result<Shelf, Refusal> {
//!     match wanted.item_code.as_str() {
//!         "PUMP-01" => Ok(Shelf { shelf: "A 7".into() }),
//!         other => Err(Refusal::no("item", other)),
//!     }
//! }
//!
//! let offer: Offer<()> = reads("shelf-of", "Where an item lies", "The shelf of an item.", shelf_of);
//! assert_eq!(offer.tool().name, "shelf-of");
//! assert!(offer.tool().input.contains("ItemCode of B1"));
//! ```

mod look;

use std::fmt::Display;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::settings::{Settings, schema_of};
use crate::{Error, passing};

/// The generated side of the contract. Use the names around it instead.
#[doc(hidden)]
#[allow(missing_docs, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/0.2.0",
        world: "tooling",
        pub_export_macro: true,
        default_bindings_module: "tandem_sdk::tools::bindings",
        export_macro_name: "export_tooling",
    });
}

pub use bindings::exports::tandem::plugin::tools::{Deed, Flow, Tool};
pub use look::{CARD_CODES, day, few, filled, first, firsts, named, no_customer, no_item, record_id};

use bindings::exports::tandem::plugin::tools as contract;

/// What a plugin says of its tools.
pub trait Offers {
    /// The flow's settings.
    type Settings: Settings;

    /// All of them.
    fn tools() -> Vec<Offer<Self::Settings>>;
}

/// For whom a tool is called.
pub struct Asked<'a, S> {
    /// The flow's settings.
    pub settings: &'a S,
    /// The flow.
    pub flow: &'a Flow,
}

impl<S> Asked<'_, S> {
    /// The connection that a slot of the flow is bound to; empty where there is none.
    pub fn connection(&self, slot: &str) -> &str {
        let bound = self.flow.connections.iter().find(|binding| binding.slot == slot);
        bound.map_or("", |binding| binding.connection.as_str())
    }
}

/// Why a tool gives no result.
#[derive(Debug)]
pub enum Refusal {
    /// What was asked for is not there, or cannot be done: who calls reads this, and may ask for something else.
    Refused(String),
    /// A call to a system failed.
    Failed(Error),
}

impl Refusal {
    /// There is no such thing.
    pub fn no(what: &str, named: impl Display) -> Self {
        Self::Refused(format!("there is no {what} {named}"))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

type Answer<S> = Box<dyn Fn(&Asked<'_, S>, &str) -> Result<String, contract::Error>>;

/// A tool, and what answers it.
pub struct Offer<S> {
    tool: Tool,
    answer: Answer<S>,
}

impl<S> Offer<S> {
    /// What is said of it.
    pub fn tool(&self) -> &Tool {
        &self.tool
    }

    /// Calls for what stands there in the input (a JSON Pointer, such as `/opportunity`) are made in order with the events of that key.
    pub fn in_order_of(mut self, pointer: &str) -> Self {
        self.tool.key = Some(pointer.to_owned());
        self
    }
}

/// A tool that can do nothing but read.
pub fn reads<S, I, O>(
    name: &str,
    title: &str,
    description: &str,
    answer: impl Fn(&Asked<'_, S>, I) -> Result<O, Refusal> + 'static,
) -> Offer<S>
where
    I: DeserializeOwned + JsonSchema,
    O: Serialize + JsonSchema,
{
    offer(Deed::Reads, name, title, description, answer)
}

/// A tool that makes or changes records, or has that done.
pub fn writes<S, I, O>(
    name: &str,
    title: &str,
    description: &str,
    answer: impl Fn(&Asked<'_, S>, I) -> Result<O, Refusal> + 'static,
) -> Offer<S>
where
    I: DeserializeOwned + JsonSchema,
    O: Serialize + JsonSchema,
{
    offer(Deed::Writes, name, title, description, answer)
}

/// A tool that does what cannot be taken back.
pub fn destroys<S, I, O>(
    name: &str,
    title: &str,
    description: &str,
    answer: impl Fn(&Asked<'_, S>, I) -> Result<O, Refusal> + 'static,
) -> Offer<S>
where
    I: DeserializeOwned + JsonSchema,
    O: Serialize + JsonSchema,
{
    offer(Deed::Destroys, name, title, description, answer)
}

fn offer<S, I, O>(
    deed: Deed,
    name: &str,
    title: &str,
    description: &str,
    answer: impl Fn(&Asked<'_, S>, I) -> Result<O, Refusal> + 'static,
) -> Offer<S>
where
    I: DeserializeOwned + JsonSchema,
    O: Serialize + JsonSchema,
{
    let tool = Tool {
        name: name.into(),
        title: title.into(),
        description: description.into(),
        input: schema_of::<I>().to_string(),
        output: schema_of::<O>().to_string(),
        deed,
        key: None,
    };
    let answer = move |asked: &Asked<'_, S>, input: &str| {
        // The host has held it against the schema.
        let input: I = serde_json::from_str(input)
            .map_err(|e| contract::Error::Refused(format!("the input does not fit the tool: {e}")))?;
        let output = answer(asked, input).map_err(told)?;
        serde_json::to_string(&output).map_err(|e| contract::Error::Failed(format!("the result is no JSON: {e}")))
    };
    Offer { tool, answer: Box::new(answer) }
}

fn told(refusal: Refusal) -> contract::Error {
    let error = match refusal {
        Refusal::Refused(why) => return contract::Error::Refused(why),
        Refusal::Failed(error) => error,
    };
    let why = crate::words(&error);
    if matches!(error, Error::TooLarge(_)) {
        return contract::Error::TooLarge(why);
    }
    match passing::pause(&error) {
        Some(after_ms) => contract::Error::Passing(contract::Passing { after_ms, why }),
        None => contract::Error::Failed(why),
    }
}

impl<T: Offers> contract::Guest for T {
    fn offered() -> Vec<Tool> {
        T::tools().into_iter().map(|offer| offer.tool).collect()
    }

    fn call(flow: Flow, tool: String, input: String) -> Result<String, contract::Error> {
        let settings = T::Settings::read(&flow.settings).map_err(contract::Error::Failed)?;
        let offers = T::tools();
        let Some(offer) = offers.iter().find(|offer| offer.tool.name == tool) else {
            return Err(contract::Error::Failed(format!("the plugin offers no tool {tool}")));
        };
        (offer.answer)(&Asked { settings: &settings, flow: &flow }, &input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Deserialize, RemoteError};

    #[derive(Deserialize, JsonSchema)]
    struct Wanted {
        many: u32,
    }

    fn asked<S>(offer: &Offer<S>, settings: &S, input: &str) -> Result<String, contract::Error> {
        let flow = Flow { name: "f".into(), connections: Vec::new(), settings: "{}".into() };
        (offer.answer)(&Asked { settings, flow: &flow }, input)
    }

    #[test]
    fn an_input_that_does_not_fit_is_refused_and_a_failed_call_is_told_by_what_becomes_of_it() {
        let remote = |status| Error::Remote(RemoteError { status, code: "-10".into(), message: "no".into() });
        let offer: Offer<()> = reads("t", "T", "T.", move |_, wanted: Wanted| match wanted.many {
            0 => Err(Refusal::no("item", "A1")),
            1 => Err(remote(500).into()),
            2 => Err(remote(400).into()),
            3 => Err(Error::TooLarge(9).into()),
            many => Ok(vec![many]),
        });
        let told = |input: &str| asked(&offer, &(), input);
        assert_eq!(told(r#"{"many":7}"#).unwrap(), "[7]");
        let kinds = [r#"{"many":-1}"#, r#"{"many":0}"#, r#"{"many":1}"#, r#"{"many":2}"#, r#"{"many":3}"#].map(told);
        use contract::Error::{Failed, Passing, Refused, TooLarge};
        assert!(matches!(&kinds[0], Err(Refused(why)) if why.contains("does not fit")), "{:?}", kinds[0]);
        assert!(matches!(&kinds[1], Err(Refused(why)) if why == "there is no item A1"), "{:?}", kinds[1]);
        assert!(matches!(&kinds[2..], [Err(Passing(_)), Err(Failed(_)), Err(TooLarge(_))]), "{kinds:?}");
    }
}
