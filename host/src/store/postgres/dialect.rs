//! What the store says, as PostgreSQL reads it.

/// A statement of the store: parameters are `$1`, …; no index is named; a value is kept as it is.
pub fn translated(sql: &str) -> String {
    let mut said = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(next) = rest.chars().next() {
        // What stands between quotes is no word.
        if next == '\'' {
            let end = rest[1..].find('\'').map_or(rest.len(), |end| end + 2);
            said.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if next == '?' {
            said.push('$');
            rest = &rest[1..];
        } else if next.is_ascii_alphabetic() || next == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            rest = word_of(word, behind, &mut said);
        } else {
            said.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    said
}

/// Says a word; what is left behind it.
fn word_of<'a>(word: &str, behind: &'a str, said: &mut String) -> &'a str {
    match word {
        // `INDEXED BY name`: the planner of PostgreSQL goes by what it counted.
        "INDEXED" => behind.trim_start().strip_prefix("BY ").map_or(behind, |named| {
            named.find(|c: char| c.is_whitespace() || c == ')').map_or("", |end| &named[end..])
        }),
        "seal" | "unseal" | "sealed_by" => {
            let Some((arguments, behind)) = arguments(behind) else {
                said.push_str(word);
                return behind;
            };
            match (word, arguments.last()) {
                ("sealed_by", _) => said.push_str("CAST(NULL AS TEXT)"),
                (_, Some(value)) => said.push_str(&translated(value.trim())),
                (_, None) => {}
            }
            behind
        }
        "instr" => {
            said.push_str("strpos");
            behind
        }
        _ => {
            said.push_str(word);
            behind
        }
    }
}

/// The arguments of a call, and what is behind it.
fn arguments(call: &str) -> Option<(Vec<&str>, &str)> {
    let within = call.strip_prefix('(')?;
    let (mut depth, mut quoted, mut from, mut found) = (0, false, 0, Vec::new());
    for (at, sign) in within.char_indices() {
        match sign {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' if depth == 0 => {
                found.push(&within[from..at]);
                return Some((found, &within[at + 1..]));
            }
            ')' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&within[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::translated;

    #[test]
    fn parameters_indexes_and_sealing_are_said_otherwise() {
        assert_eq!(
            translated(
                "SELECT unseal('a', x, y, z), '?1 seal(' FROM t INDEXED BY t_x WHERE x = ?1 AND instr(y, ?12) > 0"
            ),
            "SELECT z, '?1 seal(' FROM t  WHERE x = $1 AND strpos(y, $12) > 0"
        );
        assert_eq!(
            translated("SET p = seal('p', f, (SELECT unseal('p', n.f, n.p) FROM e AS n WHERE n.id = ?2)) WHERE a"),
            "SET p = (SELECT n.p FROM e AS n WHERE n.id = $2) WHERE a"
        );
        assert_eq!(translated("coalesce(sealed_by(c), '')"), "coalesce(CAST(NULL AS TEXT), '')");
        assert_eq!(translated("(SELECT id FROM e INDEXED BY e_x)"), "(SELECT id FROM e )");
        assert_eq!(translated("events.reason, 'it''s'"), "events.reason, 'it''s'");
    }
}
