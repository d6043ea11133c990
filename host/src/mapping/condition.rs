//! A condition of the operator's, in the language of mapping rules: over names that are given, true or false.

use std::sync::Arc;

use cel::{Context, Env, IdedExpr, Value as Cel};
use serde_json::Value;

use super::{budget, to_cel};

/// See the module's words.
#[derive(Clone)]
pub struct Condition {
    text: String,
    env: Arc<Env>,
    expression: IdedExpr,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Condition({:?})", self.text)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Condition {
    /// Reads one that speaks of these names and no others; why it is none, in words.
    pub fn parse(text: &str, names: &[&str]) -> Result<Self, String> {
        budget::short_enough(text)?;
        let env = Arc::new(Env::stdlib());
        let program = env.compile(text).map_err(|e| e.to_string())?;
        if let Some(other) = program.references().variables().into_iter().find(|name| !names.contains(name)) {
            return Err(format!("it speaks of `{other}`; it may speak of: {}", names.join(", ")));
        }
        Ok(Self { text: text.to_owned(), expression: budget::bounded(program.expression())?, env })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it speaks of that name.
    pub fn speaks_of(&self, name: &str) -> bool {
        self.env.compile(&self.text).is_ok_and(|own| own.references().has_variable(name))
    }

    /// Whether it is so; why that cannot be told, such as a field that is not there.
    pub fn holds(&self, given: &[(&str, &Value)]) -> Result<bool, String> {
        let mut context = Context::with_env(self.env.clone());
        for (name, value) in given {
            context.add_variable_from_value(*name, to_cel(value));
        }
        budget::grant(&mut context).map_err(|e| e.to_string())?;
        super::lookups::grant(&mut context).map_err(|e| e.to_string())?;
        match context.resolve(&self.expression).map_err(|e| e.to_string())? {
            Cel::Bool(flag) => Ok(flag),
            _ => Err("it is neither true nor false".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_condition_speaks_of_what_is_given_and_is_true_or_false_or_cannot_be_told() {
        let names = ["input", "hour"];
        let own = Condition::parse("input.total <= 5000.0 && hour >= 8", &names).unwrap();
        let holds =
            |total: Value, hour: i64| own.holds(&[("input", &json!({ "total": total })), ("hour", &json!(hour))]);
        assert_eq!(holds(json!(4999.99), 9), Ok(true));
        assert_eq!(holds(json!(5000), 9), Ok(true), "a whole number is a number");
        assert_eq!(holds(json!(5000.01), 9), Ok(false));
        assert_eq!(holds(json!(1), 7), Ok(false));
        assert!(holds(json!("much"), 9).is_err());
        assert!(own.holds(&[("input", &json!({})), ("hour", &json!(9))]).is_err(), "a field that is not there");
        assert!(own.speaks_of("hour") && !own.speaks_of("result"));
        for bad in ["input.", "other == 1", &"x".repeat(10_000)] {
            assert!(Condition::parse(bad, &names).is_err(), "{bad}");
        }
        assert!(
            Condition::parse("input.total", &names)
                .unwrap()
                .holds(&[("input", &json!({ "total": 1 })), ("hour", &json!(1))])
                .is_err()
        );
    }
}
