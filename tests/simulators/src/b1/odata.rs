//! OData query options with a real expression grammar. Source: OData 4.0 Part 2 (URL conventions) as far as the Service
//! Layer manual says it is served.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value};

use super::database::Key;

/// A parsed `$filter`.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Or(Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Compare(Op, Box<Expr>, Box<Expr>),
    Compute(Arithmetic, Box<Expr>, Box<Expr>),
    Call(String, Vec<Expr>),
    Property(String),
    Text(String),
    Number(Decimal),
    Bool(bool),
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(Decimal),
    Open,
    Close,
    Comma,
}

/// Reads a `$filter`; the error says where it stops making sense.
pub fn parse_filter(text: &str) -> Result<Expr, String> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, at: 0 };
    let expr = parser.or()?;
    if parser.at < parser.tokens.len() {
        return Err(format!("unexpected {:?} in '{text}'", parser.tokens[parser.at]));
    }
    Ok(expr)
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            c if c.is_whitespace() => at += 1,
            '(' => {
                tokens.push(Token::Open);
                at += 1;
            }
            ')' => {
                tokens.push(Token::Close);
                at += 1;
            }
            ',' => {
                tokens.push(Token::Comma);
                at += 1;
            }
            '\'' => {
                let (value, next) = quoted(&chars, at)?;
                tokens.push(Token::Text(value));
                at = next;
            }
            c if c.is_ascii_digit() || (c == '-' && chars.get(at + 1).is_some_and(char::is_ascii_digit)) => {
                let start = at;
                at += 1;
                while at < chars.len() && (chars[at].is_ascii_alphanumeric() || ".:-".contains(chars[at])) {
                    at += 1;
                }
                let literal: String = chars[start..at].iter().collect();
                tokens.push(match literal.parse() {
                    Ok(number) => Token::Number(number),
                    // A bare date or time: 2026-01-31, 2026-01-31T00:00:00Z.
                    Err(_) => Token::Text(literal),
                });
            }
            c if c.is_alphabetic() || c == '_' || c == '$' || c == '@' => {
                let start = at;
                while at < chars.len() && (chars[at].is_alphanumeric() || "_/$@.".contains(chars[at])) {
                    at += 1;
                }
                let word: String = chars[start..at].iter().collect();
                // v1: datetime'2026-01-31'
                if matches!(word.as_str(), "datetime" | "time" | "guid") && chars.get(at) == Some(&'\'') {
                    let (value, next) = quoted(&chars, at)?;
                    tokens.push(Token::Text(value));
                    at = next;
                } else {
                    tokens.push(Token::Word(word));
                }
            }
            c => return Err(format!("unexpected '{c}' at position {at} in '{text}'")),
        }
    }
    Ok(tokens)
}

fn quoted(chars: &[char], open: usize) -> Result<(String, usize), String> {
    let mut value = String::new();
    let mut at = open + 1;
    loop {
        match chars.get(at) {
            None => return Err("a string is not closed".into()),
            Some('\'') if chars.get(at + 1) == Some(&'\'') => {
                value.push('\'');
                at += 2;
            }
            Some('\'') => return Ok((value, at + 1)),
            Some(c) => {
                value.push(*c);
                at += 1;
            }
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn word(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn accept(&mut self, word: &str) -> bool {
        let found = self.word() == Some(word);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Expr, String> {
        let mut left = self.and()?;
        while self.accept("or") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.not()?;
        while self.accept("and") {
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, String> {
        if self.accept("not") {
            return Ok(Expr::Not(Box::new(self.not()?)));
        }
        self.comparison()
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        loop {
            let op = match self.word() {
                Some("add") => Arithmetic::Add,
                Some("sub") => Arithmetic::Sub,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Compute(op, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.primary()?;
        loop {
            let op = match self.word() {
                Some("mul") => Arithmetic::Mul,
                Some("div") => Arithmetic::Div,
                Some("mod") => Arithmetic::Mod,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Compute(op, Box::new(left), Box::new(self.primary()?));
        }
    }

    fn comparison(&mut self) -> Result<Expr, String> {
        let left = self.sum()?;
        let op = match self.word() {
            Some("eq") => Op::Eq,
            Some("ne") => Op::Ne,
            Some("gt") => Op::Gt,
            Some("ge") => Op::Ge,
            Some("lt") => Op::Lt,
            Some("le") => Op::Le,
            _ => return Ok(left),
        };
        self.at += 1;
        Ok(Expr::Compare(op, Box::new(left), Box::new(self.sum()?)))
    }

    fn primary(&mut self) -> Result<Expr, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("the expression ends too early")?;
        self.at += 1;
        match token {
            Token::Text(text) => Ok(Expr::Text(text)),
            Token::Number(number) => Ok(Expr::Number(number)),
            Token::Open => {
                let inner = self.or()?;
                self.expect(&Token::Close)?;
                Ok(inner)
            }
            Token::Word(word) if self.tokens.get(self.at) == Some(&Token::Open) => {
                self.at += 1;
                let mut arguments = Vec::new();
                while self.tokens.get(self.at) != Some(&Token::Close) {
                    arguments.push(self.or()?);
                    if self.tokens.get(self.at) == Some(&Token::Comma) {
                        self.at += 1;
                    }
                }
                self.expect(&Token::Close)?;
                const KNOWN: [&str; 20] = [
                    "contains",
                    "startswith",
                    "endswith",
                    "substringof",
                    "tolower",
                    "toupper",
                    "length",
                    "trim",
                    "concat",
                    "substring",
                    "indexof",
                    "year",
                    "month",
                    "day",
                    "hour",
                    "minute",
                    "second",
                    "round",
                    "floor",
                    "ceiling",
                ];
                if !KNOWN.contains(&word.as_str()) {
                    return Err(format!("unknown function '{word}'"));
                }
                Ok(Expr::Call(word, arguments))
            }
            Token::Word(word) => Ok(match word.as_str() {
                "null" => Expr::Null,
                "true" => Expr::Bool(true),
                "false" => Expr::Bool(false),
                _ => Expr::Property(word),
            }),
            other => Err(format!("unexpected {other:?}")),
        }
    }

    fn expect(&mut self, token: &Token) -> Result<(), String> {
        if self.tokens.get(self.at) == Some(token) {
            self.at += 1;
            return Ok(());
        }
        Err(format!("expected {token:?}"))
    }
}

impl Expr {
    /// True when the record passes.
    pub fn passes(&self, record: &Map<String, Value>) -> bool {
        self.passes_by(&|path| {
            let mut steps = path.split('/');
            let first = steps.next().and_then(|step| record.get(step));
            first.and_then(|first| steps.try_fold(first, |at, step| at.get(step))).cloned().unwrap_or_default()
        })
    }

    /// True when it holds for what `look` gives for each property.
    pub fn passes_by(&self, look: &dyn Fn(&str) -> Value) -> bool {
        self.eval(look) == Value::Bool(true)
    }

    fn eval(&self, look: &dyn Fn(&str) -> Value) -> Value {
        match self {
            Self::Or(a, b) => Value::Bool(a.passes_by(look) || b.passes_by(look)),
            Self::And(a, b) => Value::Bool(a.passes_by(look) && b.passes_by(look)),
            Self::Not(a) => Value::Bool(!a.passes_by(look)),
            Self::Compare(op, a, b) => Value::Bool(compare(*op, &a.eval(look), &b.eval(look))),
            Self::Compute(op, a, b) => {
                let numbers = decimal(&a.eval(look)).zip(decimal(&b.eval(look)));
                let result = numbers.and_then(|(a, b)| match op {
                    Arithmetic::Add => a.checked_add(b),
                    Arithmetic::Sub => a.checked_sub(b),
                    Arithmetic::Mul => a.checked_mul(b),
                    Arithmetic::Div => a.checked_div(b),
                    Arithmetic::Mod => a.checked_rem(b),
                });
                result.map(number_value).unwrap_or_default()
            }
            Self::Call(name, arguments) => {
                let values: Vec<Value> = arguments.iter().map(|argument| argument.eval(look)).collect();
                call(name, &values)
            }
            Self::Property(path) => look(path),
            Self::Text(text) => Value::String(text.clone()),
            Self::Number(number) => number_value(*number),
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Null => Value::Null,
        }
    }

    /// The properties it looks at.
    pub fn properties(&self) -> Vec<&str> {
        match self {
            Self::Or(a, b) | Self::And(a, b) | Self::Compare(_, a, b) | Self::Compute(_, a, b) => {
                [a.properties(), b.properties()].concat()
            }
            Self::Not(a) => a.properties(),
            Self::Call(_, arguments) => arguments.iter().flat_map(Self::properties).collect(),
            Self::Property(path) => vec![path],
            _ => Vec::new(),
        }
    }

    /// Properties that `or`-ed equalities pin to texts: lets a reader use an index. `None` when the filter is more.
    pub fn pinned(&self) -> Option<(String, Vec<Key>)> {
        match self {
            Self::Compare(Op::Eq, a, b) => match (a.as_ref(), b.as_ref()) {
                (Self::Property(name), Self::Text(value)) => Some((name.clone(), vec![Key::Text(value.clone())])),
                (Self::Property(name), Self::Number(value)) => Some((name.clone(), vec![Key::Number(value.to_i64()?)])),
                _ => None,
            },
            Self::Or(a, b) => {
                let (left, mut values) = a.pinned()?;
                let (right, more) = b.pinned()?;
                values.extend(more);
                (left == right).then_some((left, values))
            }
            Self::And(a, b) => a.pinned().or_else(|| b.pinned()),
            _ => None,
        }
    }

    /// A property and the value below which nothing passes: lets a reader begin there. `None` when there is none.
    pub fn beyond(&self) -> Option<(&str, Key)> {
        match self {
            Self::Compare(Op::Gt | Op::Ge, a, b) => match (a.as_ref(), b.as_ref()) {
                (Self::Property(name), Self::Text(value)) => Some((name, Key::Text(value.clone()))),
                (Self::Property(name), Self::Number(value)) => Some((name, Key::Number(value.floor().to_i64()?))),
                _ => None,
            },
            Self::And(a, b) => a.beyond().or_else(|| b.beyond()),
            _ => None,
        }
    }
}

fn call(name: &str, arguments: &[Value]) -> Value {
    let text = |place: usize| match arguments.get(place) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let number = |place: usize| arguments.get(place).and_then(decimal);
    let digits = |from: usize, to: usize| -> Value {
        text(0).get(from..to).and_then(|digits| digits.parse::<i64>().ok()).map(Value::from).unwrap_or_default()
    };
    // A time stands alone or behind a date.
    let clock = |from: usize| if text(0).len() == 8 { digits(from, from + 2) } else { digits(from + 11, from + 13) };
    match name {
        "contains" => Value::Bool(text(0).contains(&text(1))),
        "substringof" => Value::Bool(text(1).contains(&text(0))),
        "startswith" => Value::Bool(text(0).starts_with(&text(1))),
        "endswith" => Value::Bool(text(0).ends_with(&text(1))),
        "tolower" => Value::String(text(0).to_lowercase()),
        "toupper" => Value::String(text(0).to_uppercase()),
        "trim" => Value::String(text(0).trim().to_owned()),
        "concat" => Value::String(text(0) + &text(1)),
        "length" => Value::from(text(0).chars().count()),
        "indexof" => Value::from(text(0).find(&text(1)).map_or(-1, |at| text(0)[..at].chars().count() as i64)),
        "substring" => {
            let from = number(1).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            let most = number(2).and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
            Value::String(text(0).chars().skip(from).take(most).collect())
        }
        "year" => digits(0, 4),
        "month" => digits(5, 7),
        "day" => digits(8, 10),
        "hour" => clock(0),
        "minute" => clock(3),
        "second" => clock(6),
        "round" => number(0).map(|n| number_value(n.round())).unwrap_or_default(),
        "floor" => number(0).map(|n| number_value(n.floor())).unwrap_or_default(),
        "ceiling" => number(0).map(|n| number_value(n.ceil())).unwrap_or_default(),
        _ => Value::Null,
    }
}

fn compare(op: Op, a: &Value, b: &Value) -> bool {
    use std::cmp::Ordering;
    let order = match (a, b) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Null, _) | (_, Value::Null) => return op == Op::Ne,
        (Value::Number(_), _) | (_, Value::Number(_)) => decimal(a).zip(decimal(b)).map(|(a, b)| a.cmp(&b)),
        (Value::String(a), Value::String(b)) => Some(day(a).cmp(day(b))),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    };
    match (op, order) {
        (Op::Eq, Some(order)) => order.is_eq(),
        (Op::Ne, order) => order != Some(Ordering::Equal),
        (Op::Gt, Some(order)) => order.is_gt(),
        (Op::Ge, Some(order)) => order.is_ge(),
        (Op::Lt, Some(order)) => order.is_lt(),
        (Op::Le, Some(order)) => order.is_le(),
        (_, None) => false,
    }
}

/// The order of two values of one property: numbers as numbers, all else as text, nothing first.
pub fn order_of(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => decimal(a).cmp(&decimal(b)),
        (Value::Null, Value::Null) => std::cmp::Ordering::Equal,
        (Value::Null, _) => std::cmp::Ordering::Less,
        (_, Value::Null) => std::cmp::Ordering::Greater,
        _ => a.as_str().cmp(&b.as_str()),
    }
}

/// Splits at a separator that stands outside of brackets and quotes.
pub fn split_outside(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut quoted, mut start) = (0, false, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ if c == separator && depth == 0 && !quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// `name(inside)`
pub fn call_of(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.trim().split_once('(')?;
    Some((name, rest.strip_suffix(')')?))
}

/// Names and values, decoded.
pub type Pairs = Vec<(String, String)>;

/// `$expand`: each navigation property with its own options.
pub fn split_expand(text: &str) -> Result<Vec<(String, Pairs)>, String> {
    split_outside(text, ',')
        .into_iter()
        .map(|part| {
            let part = part.trim();
            let Some((name, inside)) = call_of(part) else {
                return if part.is_empty() || part.contains(['(', ')']) {
                    Err(format!("'{part}' cannot be read"))
                } else {
                    Ok((part.to_owned(), Vec::new()))
                };
            };
            let options = split_outside(inside, ';').into_iter().filter_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                Some((name.trim().to_owned(), value.trim().to_owned()))
            });
            Ok((name.trim().to_owned(), options.collect()))
        })
        .collect()
}

/// `2026-01-31T00:00:00Z` and `2026-01-31` are the same day.
fn day(text: &str) -> &str {
    text.strip_suffix("T00:00:00Z").unwrap_or(text)
}

/// A JSON number or numeric text, exactly.
pub fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => {
            let text = number.to_string();
            text.parse().ok().or_else(|| Decimal::from_scientific(&text).ok())
        }
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// An exact JSON number.
pub fn number_value(number: Decimal) -> Value {
    serde_json::from_str(&number.normalize().to_string()).unwrap_or_default()
}

/// Undoes percent-encoding and `+`.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |offset: usize| bytes.get(at + offset).and_then(|b| char::from(*b).to_digit(16));
        match bytes[at] {
            b'%' => {
                if let (Some(high), Some(low)) = (hex(1), hex(2)) {
                    decoded.push((high * 16 + low) as u8);
                    at += 3;
                    continue;
                }
                decoded.push(b'%');
            }
            b'+' => decoded.push(b' '),
            other => decoded.push(other),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The pairs of a query string as they were written, without some: `%24skip` is `$skip` too.
pub fn without(query: &str, names: &[&str]) -> Vec<String> {
    let name_of = |pair: &str| decode(pair.split('=').next().unwrap_or(pair));
    query
        .split('&')
        .filter(|pair| !pair.is_empty() && !names.contains(&name_of(pair).as_str()))
        .map(str::to_owned)
        .collect()
}

/// The options of a query string, decoded.
pub fn options(query: &str) -> Pairs {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn passes(filter: &str, record: Value) -> bool {
        parse_filter(filter).unwrap().passes(record.as_object().unwrap())
    }

    #[test]
    fn and_binds_tighter_than_or_and_quotes_double() {
        assert!(passes("A eq 1 or A eq 2 and B eq 'x'", json!({"A": 1, "B": "y"})));
        assert!(passes("Name eq 'O''Hara'", json!({"Name": "O'Hara"})));
        assert!(passes("not (A gt 1.50) and contains(N,'b')", json!({"A": 1.5, "N": "abc"})));
        assert!(passes("D ge '2026-01-31'", json!({"D": "2026-01-31T00:00:00Z"})));
        assert!(passes("X eq null", json!({})));
    }

    #[test]
    fn nonsense_is_refused() {
        for filter in ["A eq", "A eq 'x", "foo(A)", "A eq 1)", "A ; B"] {
            assert!(parse_filter(filter).is_err(), "{filter}");
        }
    }
}
