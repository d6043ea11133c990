//! Matching before creating: are these two records the same company, the same person?

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Legal forms, without points: what a name may carry or lack.
const LEGAL_FORMS: [&str; 38] = [
    "gmbh",
    "mbh",
    "ag",
    "kg",
    "kgaa",
    "ohg",
    "ug",
    "ev",
    "eg",
    "gbr",
    "se",
    "co",
    "ltd",
    "limited",
    "llc",
    "inc",
    "corp",
    "corporation",
    "company",
    "plc",
    "sa",
    "sas",
    "sarl",
    "srl",
    "spa",
    "bv",
    "nv",
    "ab",
    "as",
    "oy",
    "aps",
    "z",
    "oo",
    "zoo",
    "sp",
    "sro",
    "kft",
    "doo",
];

/// Domains that many unrelated people share.
const SHARED_DOMAINS: [&str; 16] = [
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "live.com",
    "yahoo.com",
    "icloud.com",
    "aol.com",
    "gmx.de",
    "gmx.net",
    "web.de",
    "t-online.de",
    "freenet.de",
    "orange.fr",
    "wanadoo.fr",
    "wp.pl",
];

/// A name without case, accents, punctuation and legal form: `Müller & Söhne GmbH` and `MUELLER UND SOEHNE` are one.
pub fn name(text: &str) -> String {
    let mut words: Vec<String> = words(text);
    let bare: Vec<String> = words.iter().filter(|word| !LEGAL_FORMS.contains(&word.as_str())).cloned().collect();
    // A name of nothing but legal forms stays as it is.
    if !bare.is_empty() {
        words = bare;
    }
    words.join(" ")
}

/// True for two names that both say their legal form, and not the same one: a `Meyer GmbH` and a `Meyer KG` are two companies.
pub fn forms_differ(one: &str, other: &str) -> bool {
    let (one, other) = (forms(one), forms(other));
    !one.is_empty() && !other.is_empty() && one != other
}

/// The legal forms in a name, each in one spelling, in order of the alphabet.
fn forms(text: &str) -> Vec<String> {
    let same = |word: String| match word.as_str() {
        "limited" => vec!["ltd".to_owned()],
        "corporation" => vec!["corp".to_owned()],
        "zoo" => vec!["oo".to_owned(), "z".to_owned()],
        // Goes with another form, or is a part of the name.
        "co" | "company" => Vec::new(),
        _ => vec![word],
    };
    let mut forms: Vec<String> =
        words(text).into_iter().filter(|word| LEGAL_FORMS.contains(&word.as_str())).flat_map(same).collect();
    forms.sort_unstable();
    forms.dedup();
    forms
}

fn words(text: &str) -> Vec<String> {
    // Points within a form (`S.A.`, `e.V.`) hold it together.
    let lower = text.to_lowercase().replace('.', "");
    let spelt: String = lower
        .replace('ä', "ae")
        .replace('ö', "oe")
        .replace('ü', "ue")
        .replace('ß', "ss")
        .replace('ø', "oe")
        .replace('å', "aa")
        .replace('ł', "l")
        .replace(['&', '+'], " und ")
        .nfd()
        .filter(|c| !is_combining_mark(*c))
        .collect();
    let and = |word: &&str| !matches!(*word, "und" | "and" | "et" | "e" | "y" | "i");
    spelt.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).filter(and).map(str::to_owned).collect()
}

/// The two longest words of a name, as it is written: what to search for where a system only finds what is spelt the
/// same.
pub fn search_words(text: &str) -> Vec<String> {
    let form = |word: &str| LEGAL_FORMS.contains(&word.to_lowercase().replace('.', "").as_str());
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '.')).filter(|word| !form(word));
    let mut words: Vec<String> = words.map(|word| word.trim_matches('.').to_owned()).collect();
    words.retain(|word| word.chars().count() > 1);
    words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    words.truncate(2);
    words
}

/// The longest run of letters and digits: what to search a tax id by, however it is grouped.
pub fn longest_run(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric()).max_by_key(|run| run.len()).unwrap_or_default()
}

/// A tax id without blanks, points and dashes, in capitals; empty for what people write where there is none: too short, with hardly
/// a number in it (`N/A`, `none`), one digit again and again, or digits counted up.
pub fn tax_id(text: &str) -> String {
    /// Letters and digits of the shortest, and digits among them.
    const SHORTEST: (usize, usize) = (6, 4);
    let id = bare(text);
    let digits: Vec<u32> = id.chars().filter_map(|c| c.to_digit(10)).collect();
    let counted = digits.len() == id.len() && digits.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 10);
    let again = digits.windows(2).all(|pair| pair[0] == pair[1]);
    if id.chars().count() < SHORTEST.0 || digits.len() < SHORTEST.1 || counted || again { String::new() } else { id }
}

/// True for two tax ids that are known and not the same, with or without the country before them.
pub fn tax_ids_differ(one: &str, other: &str) -> bool {
    !one.is_empty() && !other.is_empty() && !one.ends_with(other) && !other.ends_with(one)
}

/// A postcode without blanks, points and dashes, in capitals.
pub fn postcode(text: &str) -> String {
    bare(text)
}

fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// The domain of an e-mail or web address; empty for one that unrelated people share.
pub fn domain(address: &str) -> String {
    let lower = address.trim().to_lowercase();
    let host = match lower.rsplit_once('@') {
        Some((_, domain)) => domain,
        None => {
            let bare = lower.trim_start_matches("https://").trim_start_matches("http://").trim_start_matches("www.");
            bare.split(['/', '?', ':']).next().unwrap_or_default()
        }
    };
    if SHARED_DOMAINS.contains(&host) || !host.contains('.') { String::new() } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_accents_forms_and_punctuation() {
        assert_eq!(name("Müller & Söhne GmbH & Co. KG"), name("MUELLER UND SOEHNE"));
        assert_eq!(name("Société Générale S.A."), name("societe generale"));
        assert_eq!(name("Gdańsk Pumps Sp. z o.o."), name("Gdansk Pumps"));
        assert_eq!(name("AG"), "ag");
        assert_ne!(name("Nord Pumpen AG"), name("Nord Werkzeuge AG"));
        assert_eq!(name("Завод «Прогресс»"), name("завод прогресс"));
        assert_eq!(name("北京贸易"), "北京贸易");
    }

    #[test]
    fn two_legal_forms_are_two_companies_and_a_missing_one_is_none() {
        for (one, other) in
            [("Meyer GmbH", "Meyer KG"), ("Meier GmbH", "Meier GmbH & Co. KG"), ("Dupont SA", "Dupont S.A.S.")]
        {
            assert!(forms_differ(one, other) && forms_differ(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("Meyer GmbH", "Meyer"),
            ("Acme Ltd.", "ACME Limited"),
            ("Acme Company Inc", "Acme Inc."),
            ("Pumps Sp. z o.o.", "Pumps Sp. zoo"),
        ] {
            assert!(!forms_differ(one, other), "{one} {other}");
        }
    }

    #[test]
    fn shared_domains_tell_nothing() {
        assert_eq!(domain("a.b@Acme.example"), "acme.example");
        assert_eq!(domain("https://www.acme.example/shop"), "acme.example");
        assert_eq!(domain("someone@gmail.com"), "");
        assert_eq!(domain("nobody"), "");
    }

    #[test]
    fn a_tax_id_that_is_none_matches_nothing() {
        for none in [
            "",
            "N/A",
            "n.a.",
            "0",
            "-",
            "000 000 000",
            "999999999",
            "123456789",
            "keine",
            "unbekannt 1",
            "DE",
            "DE000000000",
        ] {
            assert_eq!(tax_id(none), "", "{none}");
        }
        assert_eq!(tax_id("ATU 1234 5678"), "ATU12345678");
        assert_eq!(tax_id("27-123.456"), "27123456");
        assert!(tax_ids_differ("DE123456781", "DE123456782") && !tax_ids_differ("DE123456781", "123456781"));
        assert!(!tax_ids_differ("", "DE123456782"));
        assert_eq!(postcode("1010 AB"), "1010AB");
    }

    #[test]
    fn what_is_searched_for() {
        assert_eq!(search_words("Alster Maschinenbau und Handel GmbH"), ["Maschinenbau", "Alster"]);
        assert_eq!(longest_run("ATU 12345678"), "12345678");
    }
}
