//! SOQL with a real grammar: nested conditions, IN and semi-joins, LIKE, INCLUDES, dates and date literals, aggregates with
//! GROUP BY and HAVING, ORDER BY with NULLS, LIMIT, OFFSET, parent fields, child sub-queries. Source: SOQL and SOSL
//! Reference. Parsing only; `query.rs` evaluates.

use chrono::{Datelike, Days, Months, NaiveDate};
use rust_decimal::Decimal;

/// A parsed query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub fields: Vec<Selected>,
    pub object: String,
    pub condition: Option<Condition>,
    pub group: Vec<Operand>,
    pub having: Option<Condition>,
    pub order: Vec<Order>,
    pub limit: Option<usize>,
    pub offset: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Selected {
    /// A field or a function of one, and its alias.
    Operand(Operand, Option<String>),
    /// `COUNT()`: no rows, only how many.
    Count,
    /// `(SELECT … FROM Contacts)`
    Children(Box<Query>),
    /// `FIELDS(ALL | STANDARD | CUSTOM)`
    Fields(Fields),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    All,
    Standard,
    Custom,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// `Name`, `Account.Owner.Name`
    Field(String),
    /// `CALENDAR_YEAR(CloseDate)`
    Date(DatePart, String),
    /// `SUM(Amount)`; `COUNT(Id)`.
    Aggregate(Aggregate, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatePart {
    Year,
    Quarter,
    Month,
    Day,
    DayOnly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    Count,
    CountDistinct,
    Sum,
    Avg,
    Min,
    Max,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub by: Operand,
    pub descending: bool,
    /// Unless said otherwise nulls come first when ascending and last when descending.
    pub nulls_first: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Compare(Operand, Op, Literal),
    In(Operand, Vec<Literal>, bool),
    /// A semi-join, or with `true` an anti-join.
    InQuery(Operand, Box<Query>, bool),
    /// Multi-select picklists: any of these sets is there whole; with `true` EXCLUDES.
    Includes(Operand, Vec<Vec<String>>, bool),
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
    /// `2026-01-31`
    Date(String),
    /// In UTC with milliseconds: `2026-01-31T10:00:00.000Z`.
    DateTime(String),
    /// A date literal such as `LAST_MONTH`: from the first day up to, not including, the second.
    Days(NaiveDate, NaiveDate),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Symbol(&'static str),
}

/// Reads a query; `today` is what date literals start from. The error is the message of `MALFORMED_QUERY`.
pub fn parse(text: &str, today: NaiveDate) -> Result<Query, String> {
    let mut parser = Parser::new(text, today).map_err(|(at, why)| with_place(text, at, &why))?;
    let query = parser.query().map_err(|why| with_place(text, parser.place(), &why))?;
    match parser.tokens.get(parser.at) {
        None => Ok(query),
        Some(token) => Err(with_place(text, parser.place(), &format!("unexpected token: {}", shown(Some(&token.1))))),
    }
}

/// Reads a condition alone, as rules of the simulator are written.
pub fn parse_condition(text: &str, today: NaiveDate) -> Result<Condition, String> {
    let mut parser = Parser::new(text, today).map_err(|(_, why)| why)?;
    let condition = parser.or()?;
    if parser.at < parser.tokens.len() {
        return Err(format!("unexpected token: {}", shown(parser.peek())));
    }
    Ok(condition)
}

/// As Salesforce shows it: the query, a caret below the place, row and column.
fn with_place(text: &str, at: usize, why: &str) -> String {
    let before: Vec<char> = text.chars().take(at).collect();
    let row = before.iter().filter(|c| **c == '\n').count() + 1;
    let column = before.iter().rev().take_while(|c| **c != '\n').count() + 1;
    format!("\n{text}\n{}^\nERROR at Row:{row}:Column:{column}\n{why}", " ".repeat(column - 1))
}

fn shown(token: Option<&Token>) -> String {
    match token {
        None => "<EOF>".into(),
        Some(Token::Word(word)) => format!("'{word}'"),
        Some(Token::Text(text)) => format!("'{text}'"),
        Some(Token::Symbol(symbol)) => format!("'{symbol}'"),
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, (usize, String)> {
    const SYMBOLS: [&str; 11] = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", ";"];
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c.is_whitespace() {
            at += 1;
        } else if c == '\'' {
            let (value, next) = quoted(&chars, at).ok_or((at, "string literal is not closed".to_owned()))?;
            tokens.push((at, Token::Text(value)));
            at = next;
        } else if c.is_alphanumeric() || "_-+".contains(c) {
            let start = at;
            while at < chars.len() && (chars[at].is_alphanumeric() || "_.:-+".contains(chars[at])) {
                at += 1;
            }
            tokens.push((start, Token::Word(chars[start..at].iter().collect())));
        } else {
            let rest: String = chars[at..chars.len().min(at + 2)].iter().collect();
            let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
            let symbol = symbol.ok_or_else(|| (at, format!("line 1:{at} no viable alternative at character '{c}'")))?;
            tokens.push((at, Token::Symbol(symbol)));
            at += symbol.len();
        }
    }
    Ok(tokens)
}

fn quoted(chars: &[char], open: usize) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut at = open + 1;
    loop {
        match chars.get(at)? {
            '\\' => {
                value.push(match chars.get(at + 1)? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => *other,
                });
                at += 2;
            }
            '\'' => return Some((value, at + 1)),
            other => {
                value.push(*other);
                at += 1;
            }
        }
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    today: NaiveDate,
    end: usize,
}

impl Parser {
    fn new(text: &str, today: NaiveDate) -> Result<Self, (usize, String)> {
        Ok(Self { tokens: tokens(text)?, at: 0, today, end: text.chars().count() })
    }

    fn place(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(place, _)| *place)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn sees(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(own)) if own.eq_ignore_ascii_case(word))
    }

    fn accept(&mut self, word: &str) -> bool {
        let found = self.sees(word);
        self.at += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(own)) if *own == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.accept(word) { Ok(()) } else { Err(format!("expecting {word}, found {}", shown(self.peek()))) }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), String> {
        if self.symbol(symbol) { Ok(()) } else { Err(format!("expecting '{symbol}', found {}", shown(self.peek()))) }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(Token::Word(word)) if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            other => Err(format!("unexpected token: {}", shown(other))),
        }
    }

    fn query(&mut self) -> Result<Query, String> {
        self.expect("SELECT")?;
        let mut fields = vec![self.selected()?];
        while self.symbol(",") {
            fields.push(self.selected()?);
        }
        self.expect("FROM")?;
        let object = self.name()?;
        // An alias of the object, as in `FROM Account a`.
        const AFTER: [&str; 9] = ["WHERE", "WITH", "GROUP", "ORDER", "LIMIT", "OFFSET", "FOR", "HAVING", "USING"];
        let alias = matches!(self.peek(), Some(Token::Word(word)) if !AFTER.iter().any(|after| after.eq_ignore_ascii_case(word)));
        if alias {
            self.accept("AS");
            self.name()?;
        }
        if self.accept("USING") {
            self.expect("SCOPE")?;
            self.name()?;
        }
        let condition = if self.accept("WHERE") { Some(self.or()?) } else { None };
        if self.accept("WITH") {
            let word = self.name()?;
            if !["SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE"].iter().any(|own| own.eq_ignore_ascii_case(&word)) {
                return Err(format!("unexpected token: '{word}'"));
            }
        }
        let mut group = Vec::new();
        if self.accept("GROUP") {
            self.expect("BY")?;
            group.push(self.operand()?);
            while self.symbol(",") {
                group.push(self.operand()?);
            }
        }
        let having = if self.accept("HAVING") { Some(self.or()?) } else { None };
        let mut order = Vec::new();
        if self.accept("ORDER") {
            self.expect("BY")?;
            order.push(self.order()?);
            while self.symbol(",") {
                order.push(self.order()?);
            }
        }
        let limit = if self.accept("LIMIT") { Some(self.number()?) } else { None };
        let offset = if self.accept("OFFSET") { self.number()? } else { 0 };
        while self.accept("FOR") {
            let word = self.name()?;
            if !["VIEW", "REFERENCE", "UPDATE"].iter().any(|own| own.eq_ignore_ascii_case(&word)) {
                return Err(format!("unexpected token: '{word}'"));
            }
        }
        Ok(Query { fields, object, condition, group, having, order, limit, offset })
    }

    fn selected(&mut self) -> Result<Selected, String> {
        if self.symbol("(") {
            let query = self.query()?;
            self.expect_symbol(")")?;
            return Ok(Selected::Children(Box::new(query)));
        }
        let opens = matches!(self.tokens.get(self.at + 1), Some((_, Token::Symbol("("))));
        if opens && self.sees("FIELDS") {
            self.at += 2;
            let word = self.name()?;
            self.expect_symbol(")")?;
            return match word.to_ascii_uppercase().as_str() {
                "ALL" => Ok(Selected::Fields(Fields::All)),
                "STANDARD" => Ok(Selected::Fields(Fields::Standard)),
                "CUSTOM" => Ok(Selected::Fields(Fields::Custom)),
                _ => Err(format!("unexpected token: '{word}'")),
            };
        }
        if opens && self.sees("COUNT") && matches!(self.tokens.get(self.at + 2), Some((_, Token::Symbol(")")))) {
            self.at += 3;
            return Ok(Selected::Count);
        }
        let operand = self.operand()?;
        let alias = match self.peek() {
            Some(Token::Word(word)) if !word.eq_ignore_ascii_case("FROM") => Some(self.name()?),
            _ => None,
        };
        Ok(Selected::Operand(operand, alias))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let word = self.name()?;
        if !self.symbol("(") {
            return Ok(Operand::Field(word));
        }
        let field = self.name()?;
        self.expect_symbol(")")?;
        Ok(match word.to_ascii_uppercase().as_str() {
            "COUNT" => Operand::Aggregate(Aggregate::Count, field),
            "COUNT_DISTINCT" => Operand::Aggregate(Aggregate::CountDistinct, field),
            "SUM" => Operand::Aggregate(Aggregate::Sum, field),
            "AVG" => Operand::Aggregate(Aggregate::Avg, field),
            "MIN" => Operand::Aggregate(Aggregate::Min, field),
            "MAX" => Operand::Aggregate(Aggregate::Max, field),
            "CALENDAR_YEAR" | "FISCAL_YEAR" => Operand::Date(DatePart::Year, field),
            "CALENDAR_QUARTER" | "FISCAL_QUARTER" => Operand::Date(DatePart::Quarter, field),
            "CALENDAR_MONTH" | "FISCAL_MONTH" => Operand::Date(DatePart::Month, field),
            "DAY_IN_MONTH" => Operand::Date(DatePart::Day, field),
            "DAY_ONLY" => Operand::Date(DatePart::DayOnly, field),
            // Labels and values are the same here.
            "TOLABEL" | "FORMAT" => Operand::Field(field),
            _ => return Err(format!("unexpected token: '{word}'")),
        })
    }

    fn order(&mut self) -> Result<Order, String> {
        let by = self.operand()?;
        let descending = self.accept("DESC");
        if !descending {
            self.accept("ASC");
        }
        let mut nulls_first = !descending;
        if self.accept("NULLS") {
            nulls_first = self.accept("FIRST");
            if !nulls_first {
                self.expect("LAST")?;
            }
        }
        Ok(Order { by, descending, nulls_first })
    }

    fn number(&mut self) -> Result<usize, String> {
        match self.peek() {
            Some(Token::Word(word)) => match word.parse() {
                Ok(number) => {
                    self.at += 1;
                    Ok(number)
                }
                Err(_) => Err(format!("unexpected token: '{word}'")),
            },
            other => Err(format!("unexpected token: {}", shown(other))),
        }
    }

    /// A chain of ANDs or a chain of ORs: where both meet on one level, SOQL wants brackets.
    fn or(&mut self) -> Result<Condition, String> {
        let mut left = self.unary()?;
        if self.sees("AND") {
            while self.accept("AND") {
                left = Condition::And(Box::new(left), Box::new(self.unary()?));
            }
            return if self.sees("OR") { Err("unexpected token: 'OR'".into()) } else { Ok(left) };
        }
        while self.accept("OR") {
            left = Condition::Or(Box::new(left), Box::new(self.unary()?));
        }
        if self.sees("AND") { Err("unexpected token: 'AND'".into()) } else { Ok(left) }
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
        let operand = self.operand()?;
        for (word, negated) in [("INCLUDES", false), ("EXCLUDES", true)] {
            if self.accept(word) {
                let sets = self.list()?.into_iter().map(|literal| match literal {
                    Literal::Text(text) => Ok(text.split(';').map(str::to_owned).collect()),
                    _ => Err("INCLUDES and EXCLUDES want quoted values".to_owned()),
                });
                return Ok(Condition::Includes(operand, sets.collect::<Result<_, _>>()?, negated));
            }
        }
        let negated = self.accept("NOT");
        if self.accept("IN") {
            let subquery = matches!(self.peek(), Some(Token::Symbol("(")))
                && matches!(self.tokens.get(self.at + 1), Some((_, Token::Word(word))) if word.eq_ignore_ascii_case("SELECT"));
            if subquery {
                self.expect_symbol("(")?;
                let query = self.query()?;
                self.expect_symbol(")")?;
                return Ok(Condition::InQuery(operand, Box::new(query), negated));
            }
            return Ok(Condition::In(operand, self.list()?, negated));
        }
        if negated {
            return Err(format!("expecting IN, found {}", shown(self.peek())));
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
            found.ok_or_else(|| format!("unexpected token: {}", shown(self.peek())))?.1
        };
        Ok(Condition::Compare(operand, op, self.literal()?))
    }

    fn list(&mut self) -> Result<Vec<Literal>, String> {
        self.expect_symbol("(")?;
        let mut values = vec![self.literal()?];
        while self.symbol(",") {
            values.push(self.literal()?);
        }
        self.expect_symbol(")")?;
        Ok(values)
    }

    fn literal(&mut self) -> Result<Literal, String> {
        let token = self.peek().cloned();
        let literal = match &token {
            Some(Token::Text(text)) => Ok(Literal::Text(text.clone())),
            Some(Token::Word(word)) => read_word(word, self.today).ok_or_else(|| format!("unexpected token: '{word}'")),
            other => Err(format!("unexpected token: {}", shown(other.as_ref()))),
        }?;
        self.at += 1;
        Ok(literal)
    }
}

fn read_word(word: &str, today: NaiveDate) -> Option<Literal> {
    match word.to_ascii_lowercase().as_str() {
        "null" => return Some(Literal::Null),
        "true" => return Some(Literal::Bool(true)),
        "false" => return Some(Literal::Bool(false)),
        _ => {}
    }
    if let Ok(number) = word.parse() {
        return Some(Literal::Number(number));
    }
    if let Ok(day) = NaiveDate::parse_from_str(word, "%Y-%m-%d") {
        return Some(Literal::Date(day.format("%Y-%m-%d").to_string()));
    }
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return date_time(word).map(Literal::DateTime);
    }
    let (name, count) = match word.split_once(':') {
        Some((name, count)) => (name, Some(count.parse::<u32>().ok()?)),
        None => (word, None),
    };
    let (from, to) = days_of(&name.to_ascii_uppercase(), count, today)?;
    Some(Literal::Days(from, to))
}

/// Any offset, with or without fractions, as UTC with milliseconds.
pub fn date_time(text: &str) -> Option<String> {
    const FORMS: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%:z"];
    let text = text.strip_suffix('Z').map_or_else(|| text.to_owned(), |head| format!("{head}+00:00"));
    let parsed = FORMS.iter().find_map(|form| chrono::DateTime::parse_from_str(&text, form).ok())?;
    Some(parsed.to_utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// The days of a date literal. Weeks begin on Sunday, as in a US org; the user's time zone is UTC.
fn days_of(name: &str, count: Option<u32>, today: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
    let day = |offset: i64| shift_days(today, offset);
    let week = |offset: i64| shift_days(today, offset * 7 - i64::from(today.weekday().num_days_from_sunday()));
    let month = |offset: i32| shift_months(today.with_day(1)?, offset);
    let quarter = |offset: i32| shift_months(today.with_day(1)?, offset * 3 - (today.month0() % 3) as i32);
    let year = |offset: i32| NaiveDate::from_ymd_opt(today.year() + offset, 1, 1);
    let Some(count) = count else {
        return Some(match name {
            "TODAY" => (today, day(1)?),
            "YESTERDAY" => (day(-1)?, today),
            "TOMORROW" => (day(1)?, day(2)?),
            "THIS_WEEK" => (week(0)?, week(1)?),
            "LAST_WEEK" => (week(-1)?, week(0)?),
            "NEXT_WEEK" => (week(1)?, week(2)?),
            "THIS_MONTH" => (month(0)?, month(1)?),
            "LAST_MONTH" => (month(-1)?, month(0)?),
            "NEXT_MONTH" => (month(1)?, month(2)?),
            "THIS_QUARTER" => (quarter(0)?, quarter(1)?),
            "LAST_QUARTER" => (quarter(-1)?, quarter(0)?),
            "NEXT_QUARTER" => (quarter(1)?, quarter(2)?),
            "THIS_YEAR" => (year(0)?, year(1)?),
            "LAST_YEAR" => (year(-1)?, year(0)?),
            "NEXT_YEAR" => (year(1)?, year(2)?),
            "LAST_90_DAYS" => (day(-90)?, day(1)?),
            "NEXT_90_DAYS" => (day(1)?, day(91)?),
            _ => return None,
        });
    };
    let (n, m) = (i64::from(count), i32::try_from(count).ok()?);
    Some(match name {
        "LAST_N_DAYS" => (day(-n)?, day(1)?),
        "NEXT_N_DAYS" => (day(1)?, day(n + 1)?),
        "N_DAYS_AGO" => (day(-n)?, day(1 - n)?),
        "LAST_N_WEEKS" => (week(-n)?, week(0)?),
        "NEXT_N_WEEKS" => (week(1)?, week(n + 1)?),
        "N_WEEKS_AGO" => (week(-n)?, week(1 - n)?),
        "LAST_N_MONTHS" => (month(-m)?, month(0)?),
        "NEXT_N_MONTHS" => (month(1)?, month(m + 1)?),
        "N_MONTHS_AGO" => (month(-m)?, month(1 - m)?),
        "LAST_N_QUARTERS" => (quarter(-m)?, quarter(0)?),
        "NEXT_N_QUARTERS" => (quarter(1)?, quarter(m + 1)?),
        "LAST_N_YEARS" => (year(-m)?, year(0)?),
        "NEXT_N_YEARS" => (year(1)?, year(m + 1)?),
        _ => return None,
    })
}

fn shift_days(day: NaiveDate, by: i64) -> Option<NaiveDate> {
    let days = Days::new(by.unsigned_abs());
    if by < 0 { day.checked_sub_days(days) } else { day.checked_add_days(days) }
}

fn shift_months(day: NaiveDate, by: i32) -> Option<NaiveDate> {
    let months = Months::new(by.unsigned_abs());
    if by < 0 { day.checked_sub_months(months) } else { day.checked_add_months(months) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 5, 20).unwrap()
    }

    #[test]
    fn a_query_with_everything_is_read() {
        let text = "SELECT Id, Account.Name, (SELECT Quantity FROM OpportunityLineItems ORDER BY SortOrder LIMIT 5) FROM Opportunity \
             WHERE (StageName = 'Closed Won' OR Name LIKE 'A%') AND Id IN ('a','b') AND NOT Amount < 1.5 \
             AND AccountId NOT IN (SELECT AccountId FROM Contact) AND CloseDate = LAST_N_DAYS:30 \
             ORDER BY SystemModstamp DESC NULLS LAST, Id LIMIT 10 OFFSET 5";
        let query = parse(text, today()).unwrap();
        assert_eq!(query.object, "Opportunity");
        assert_eq!((query.limit, query.offset, query.order.len(), query.fields.len()), (Some(10), 5, 2, 3));
        let text = "SELECT StageName, COUNT(Id) n, SUM(Amount) FROM Opportunity GROUP BY StageName HAVING COUNT(Id) > 1 ORDER BY COUNT(Id) DESC";
        assert!(parse(text, today()).is_ok());
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        for text in [
            "SELECT FROM X",
            "SELECT Id FROM X WHERE",
            "SELECT Id FROM X WHERE A = 'b",
            "SELECT Id FROM X; DELETE",
            "SELECT Id FROM X WHERE A = b",
            "SELECT Id FROM X WHERE A = '1' OR",
            "SELECT Id FROM X LIMIT -1",
            "SELECT Id FROM X WHERE A = 1 AND B = 2 OR C = 3",
            "SELECT Id FROM X WHERE A = 1 OR B = 2 AND C = 3",
        ] {
            let error = parse(text, today()).unwrap_err();
            assert!(error.contains("ERROR at Row:1:Column:"), "{text}: {error}");
        }
    }

    #[test]
    fn date_literals_are_ranges_of_days() {
        let day = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap();
        for (word, from, to) in [
            ("TODAY", "2026-05-20", "2026-05-21"),
            ("THIS_WEEK", "2026-05-17", "2026-05-24"),
            ("LAST_MONTH", "2026-04-01", "2026-05-01"),
            ("THIS_QUARTER", "2026-04-01", "2026-07-01"),
            ("LAST_N_DAYS:7", "2026-05-13", "2026-05-21"),
            ("NEXT_YEAR", "2027-01-01", "2028-01-01"),
        ] {
            assert_eq!(read_word(word, today()), Some(Literal::Days(day(from), day(to))), "{word}");
        }
    }

    #[test]
    fn a_date_time_is_read_in_any_offset() {
        assert_eq!(date_time("2026-01-31T10:00:00+01:00").as_deref(), Some("2026-01-31T09:00:00.000Z"));
        assert_eq!(date_time("2026-01-31T10:00:00.5+0000").as_deref(), Some("2026-01-31T10:00:00.500Z"));
        assert_eq!(date_time("2026-01-31T10:00:00Z").as_deref(), Some("2026-01-31T10:00:00.000Z"));
    }
}
