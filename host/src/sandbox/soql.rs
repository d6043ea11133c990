//! What a SOQL query reads from: every name after a `FROM`, also in sub-queries and semi-joins.

/// The names, as written: objects, and the relationships of sub-queries (`OpportunityLineItems`). An error is in words.
pub fn sources_of(soql: &str) -> Result<Vec<String>, &'static str> {
    let tokens = tokens_of(soql)?;
    let mut sources = Vec::new();
    let mut rest = tokens.iter().copied().peekable();
    while let Some(token) = rest.next() {
        if !is_from(token) {
            continue;
        }
        // `FROM Account a, a.Contacts c`: an alias may stand between a name and the comma before the next. What else
        // may follow a name (`WHERE`, `ORDER BY`) has more than one word before its first comma.
        loop {
            match rest.next() {
                Some(name) if is_name(name) => sources.push(name.to_owned()),
                _ => return Err("after FROM stands no name"),
            }
            rest.next_if(|next| next.eq_ignore_ascii_case("as"));
            rest.next_if(|next| is_name(next));
            if rest.next_if_eq(&",").is_none() {
                break;
            }
        }
    }
    if sources.is_empty() { Err("it has no FROM") } else { Ok(sources) }
}

fn is_from(token: &str) -> bool {
    token.eq_ignore_ascii_case("from")
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !is_from(token)
}

/// Words and signs. Text in quotes is left out: nothing in it is the query's own.
fn tokens_of(soql: &str) -> Result<Vec<&str>, &'static str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let mut tokens = Vec::new();
    let mut rest = soql;
    while let Some(first) = rest.chars().next() {
        let length = if first == '\'' {
            1 + after_quote(&rest[1..]).ok_or("a quote in it is left open")?
        } else if word(first) {
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else if first.is_ascii() {
            1
        } else {
            return Err("outside quotes it has signs that SOQL does not know");
        };
        if first != '\'' && !first.is_ascii_whitespace() {
            tokens.push(&rest[..length]);
        }
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// Where the text after a literal begins, given what stands after its opening quote.
fn after_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (place, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return Some(place + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_from_is_seen() {
        for (soql, sources) in [
            ("SELECT Id FROM Account", &["Account"][..]),
            ("select id\nfrom\tAccount where Name = 'x' order by Name, Id", &["Account"]),
            ("SELECT Id,(SELECT Id FROM Contacts) FROM Account LIMIT 1", &["Contacts", "Account"]),
            ("SELECT Id FROM Account WHERE Id IN(SELECT AccountId FROM Contact)", &["Account", "Contact"]),
            ("SELECT Id FROM Account WHERE Name = 'a FROM User'", &["Account"]),
            (r"SELECT Id FROM Account WHERE Name = 'it\'s FROM User' OR Name = 'Müller'", &["Account"]),
            (r"SELECT Id FROM Account WHERE Name = '\\' AND Id IN (SELECT Id FROM User)", &["Account", "User"]),
            (
                "SELECT COUNT() FROM Contact c, c.Account AS a, User WHERE a.Name = 'x'",
                &["Contact", "c.Account", "User"],
            ),
            ("SELECT Status s FROM Case GROUP BY Status, Id", &["Case"]),
        ] {
            assert_eq!(sources_of(soql).unwrap(), sources, "{soql}");
        }
        for soql in [
            "",
            "SELECT Id",
            "SELECT Id FROM",
            "SELECT Id FROM (User)",
            "SELECT Id FROM Account WHERE a = 'x",
            "SELECT Id FROM\u{a0}User",
        ] {
            assert!(sources_of(soql).is_err(), "{soql}");
        }
    }
}
