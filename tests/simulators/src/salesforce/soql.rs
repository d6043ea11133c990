//! SOQL with a real grammar: nested conditions, IN, LIKE, date-times, ORDER BY, LIMIT, OFFSET, parent fields, child
//! sub-queries, COUNT(). Source: SOQL reference as far as the shared facts name it.

use rust_decimal::Decimal;
use serde_json::Value;

/// A parsed query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub fields: Vec<Selected>,
    pub object: String,
    pub condition: Option<Condition>,
    pub order: Vec<(String, bool)>,
    pub limit: Option<usize>,
    pub offset: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Selected {
    Field(String),
    Count,
    Children(Query),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Compare(String, Op, Literal),
    In(String, Vec<Literal>, bool),
    InQuery(String, Box<Query>, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Like,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Text(String),
    Number(Decimal),
    Bool(bool),
    Null,
    /// A date or date-time as written.
    Time(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Symbol(&'static str),
}

/// Reads a query; the error is the message of `MALFORMED_QUERY`.
pub fn parse(text: &str) -> Result<Query, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let query = parser.query()?;
    match parser.tokens.get(parser.at) {
        None => Ok(query),
        Some(token) => Err(format!("unexpected token: {token:?}")),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c.is_whitespace() {
            at += 1;
        } else if c == '\'' {
            let mut value = String::new();
            at += 1;
            loop {
                match chars.get(at) {
                    None => return Err("a string is not closed".into()),
                    Some('\\') => {
                        value.push(match chars.get(at + 1) {
                            Some('n') => '\n',
                            Some('r') => '\r',
                            Some('t') => '\t',
                            Some(other) => *other,
                            None => return Err("a string is not closed".into()),
                        });
                        at += 2;
                    }
                    Some('\'') => break,
                    Some(other) => {
                        value.push(*other);
                        at += 1;
                    }
                }
            }
            at += 1;
            tokens.push(Token::Text(value));
        } else if c.is_alphanumeric() || c == '_' || c == '-' || c == '+' {
            let start = at;
            while at < chars.len() && (chars[at].is_alphanumeric() || "_.:-+".contains(chars[at])) {
                at += 1;
            }
            tokens.push(Token::Word(chars[start..at].iter().collect()));
        } else {
            const SYMBOLS: [&str; 11] = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", ";"];
            let rest: String = chars[at..chars.len().min(at + 2)].iter().collect();
            let symbol = SYMBOLS
                .iter()
                .find(|symbol| rest.starts_with(**symbol))
                .ok_or(format!("unexpected character '{c}'"))?;
            at += symbol.len();
            tokens.push(Token::Symbol(symbol));
        }
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn accept(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(own)) if own.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Symbol(own)) if *own == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.accept(word) { Ok(()) } else { Err(format!("expecting {word}, found {:?}", self.tokens.get(self.at))) }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), String> {
        if self.symbol(symbol) {
            Ok(())
        } else {
            Err(format!("expecting '{symbol}', found {:?}", self.tokens.get(self.at)))
        }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word.clone())
            }
            other => Err(format!("expecting a name, found {other:?}")),
        }
    }

    fn query(&mut self) -> Result<Query, String> {
        self.expect("SELECT")?;
        let mut fields = Vec::new();
        loop {
            if self.symbol("(") {
                fields.push(Selected::Children(self.query()?));
                self.expect_symbol(")")?;
            } else {
                let name = self.name()?;
                if name.eq_ignore_ascii_case("COUNT") && self.symbol("(") {
                    self.expect_symbol(")")?;
                    fields.push(Selected::Count);
                } else {
                    fields.push(Selected::Field(name));
                }
            }
            if !self.symbol(",") {
                break;
            }
        }
        self.expect("FROM")?;
        let object = self.name()?;
        let condition = if self.accept("WHERE") { Some(self.or()?) } else { None };
        let mut order = Vec::new();
        if self.accept("ORDER") {
            self.expect("BY")?;
            loop {
                let field = self.name()?;
                let descending = self.accept("DESC");
                if !descending {
                    self.accept("ASC");
                }
                if self.accept("NULLS") && !self.accept("FIRST") {
                    self.expect("LAST")?;
                }
                order.push((field, descending));
                if !self.symbol(",") {
                    break;
                }
            }
        }
        let limit = if self.accept("LIMIT") { Some(self.number()?) } else { None };
        let offset = if self.accept("OFFSET") { self.number()? } else { 0 };
        Ok(Query { fields, object, condition, order, limit, offset })
    }

    fn number(&mut self) -> Result<usize, String> {
        let word = self.name()?;
        word.parse().map_err(|_| format!("expecting a number, found {word}"))
    }

    fn or(&mut self) -> Result<Condition, String> {
        let mut left = self.and()?;
        while self.accept("OR") {
            left = Condition::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Condition, String> {
        let mut left = self.unary()?;
        while self.accept("AND") {
            left = Condition::And(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Condition, String> {
        if self.accept("NOT") {
            return Ok(Condition::Not(Box::new(self.unary()?)));
        }
        if self.symbol("(") {
            let inner = self.or()?;
            self.expect_symbol(")")?;
            return Ok(inner);
        }
        let field = self.name()?;
        let negated = self.accept("NOT");
        if self.accept("IN") {
            self.expect_symbol("(")?;
            if matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.eq_ignore_ascii_case("SELECT")) {
                let query = self.query()?;
                self.expect_symbol(")")?;
                return Ok(Condition::InQuery(field, Box::new(query), negated));
            }
            let mut values = Vec::new();
            loop {
                values.push(self.literal()?);
                if !self.symbol(",") {
                    break;
                }
            }
            self.expect_symbol(")")?;
            return Ok(Condition::In(field, values, negated));
        }
        let op = if self.accept("LIKE") {
            Op::Like
        } else {
            const OPS: [(&str, Op); 7] = [
                ("=", Op::Eq),
                ("!=", Op::Ne),
                ("<>", Op::Ne),
                ("<=", Op::Le),
                (">=", Op::Ge),
                ("<", Op::Lt),
                (">", Op::Gt),
            ];
            let found = OPS.iter().find(|(symbol, _)| self.symbol(symbol));
            found.ok_or_else(|| format!("unexpected token: {:?}", self.tokens.get(self.at)))?.1
        };
        Ok(Condition::Compare(field, op, self.literal()?))
    }

    fn literal(&mut self) -> Result<Literal, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("unexpected end of query")?;
        self.at += 1;
        match token {
            Token::Text(text) => Ok(Literal::Text(text)),
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "null" => Ok(Literal::Null),
                "true" => Ok(Literal::Bool(true)),
                "false" => Ok(Literal::Bool(false)),
                _ => match word.parse() {
                    Ok(number) => Ok(Literal::Number(number)),
                    Err(_) if word.starts_with(|c: char| c.is_ascii_digit()) => Ok(Literal::Time(word)),
                    Err(_) => Err(format!("unexpected token: '{word}'")),
                },
            },
            Token::Symbol(symbol) => Err(format!("unexpected token: '{symbol}'")),
        }
    }
}

/// True when `value` stands in that relation to the literal. Text compares without case, as in Salesforce.
pub fn holds(value: &Value, op: Op, literal: &Literal) -> bool {
    use std::cmp::Ordering;
    if op == Op::Like {
        let (Some(text), Literal::Text(pattern)) = (value.as_str(), literal) else { return false };
        return like(&text.to_lowercase(), &pattern.to_lowercase());
    }
    let order: Option<Ordering> = match (value, literal) {
        (Value::Null, Literal::Null) => Some(Ordering::Equal),
        (Value::Null, _) | (_, Literal::Null) => return op == Op::Ne,
        (Value::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
        (Value::Number(a), Literal::Number(b)) => a.to_string().parse::<Decimal>().ok().map(|a| a.cmp(b)),
        (Value::String(a), Literal::Text(b)) => Some(a.to_lowercase().cmp(&b.to_lowercase())),
        (Value::String(a), Literal::Time(b)) => Some(instant(a).cmp(&instant(b))),
        _ => None,
    };
    match (op, order) {
        (Op::Ne, order) => order != Some(Ordering::Equal),
        (Op::Eq, Some(order)) => order.is_eq(),
        (Op::Lt, Some(order)) => order.is_lt(),
        (Op::Le, Some(order)) => order.is_le(),
        (Op::Gt, Some(order)) => order.is_gt(),
        (Op::Ge, Some(order)) => order.is_ge(),
        _ => false,
    }
}

/// Date-times in one form that sorts: `…+0000` and `…Z` are the same.
fn instant(text: &str) -> String {
    let text = text.replace("+0000", "Z").replace("+00:00", "Z");
    if text.len() == 20 { text.replace('Z', ".000Z") } else { text }
}

fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    fn matches(text: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|skip| matches(&text[skip..], rest)),
            Some(('_', rest)) => !text.is_empty() && matches(&text[1..], rest),
            Some((c, rest)) => text.first() == Some(c) && matches(&text[1..], rest),
        }
    }
    matches(&text, &pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_with_everything_is_read() {
        let query = parse(
            "SELECT Id, Account.Name, (SELECT Quantity FROM OpportunityLineItems) FROM Opportunity \
             WHERE (StageName = 'Closed Won' OR Name LIKE 'A%') AND Id IN ('a','b') AND NOT Amount < 1.5 \
             ORDER BY SystemModstamp DESC, Id LIMIT 10 OFFSET 5",
        )
        .unwrap();
        assert_eq!(query.object, "Opportunity");
        assert_eq!((query.limit, query.offset, query.order.len(), query.fields.len()), (Some(10), 5, 2, 3));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "SELECT FROM X",
            "SELECT Id FROM X WHERE",
            "SELECT Id FROM X WHERE A = 'b",
            "SELECT Id FROM X; DELETE",
            "SELECT Id FROM X WHERE A = b",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
