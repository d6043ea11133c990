//! A report as a page that prints: one file, no scripts, nothing from elsewhere.

use std::fmt::Write;

use rust_decimal::Decimal;

use super::files::day;
use super::report::{Comparison, Difference, FlowReport, Report, Why};

const STYLE: &str = "body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1b1b;background:#fff}\
h1{font-size:1.6rem;margin:0}h2{font-size:1.25rem;margin:2.2rem 0 .3rem;border-bottom:2px solid #1b1b1b;padding-bottom:.2rem}h3{font-size:1.05rem;margin:1.4rem 0 .3rem}\
table{border-collapse:collapse;width:100%;margin:.5rem 0}th,td{text-align:left;vertical-align:top;padding:.25rem .5rem;border-bottom:1px solid #ccc;overflow-wrap:anywhere}\
th{font-weight:600;background:#f3f3f3}.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\
.bad{color:#8a1c00;font-weight:600}.good{color:#14532d;font-weight:600}.small{color:#555;font-size:.85rem}\
.sign{margin-top:3rem;display:flex;gap:3rem}.sign div{border-top:1px solid #1b1b1b;padding-top:.3rem;flex:1}\
@media print{body{margin:0;max-width:none;font-size:10pt}h2,h3{break-after:avoid}tr{break-inside:avoid}thead{display:table-header-group}}";

/// The page.
pub fn page(report: &Report) -> String {
    let mut text = String::new();
    // Writing into a text does not fail.
    let _ = write_page(&mut text, report);
    text
}

fn write_page(text: &mut String, report: &Report) -> std::fmt::Result {
    let at = day(report.at);
    write!(
        text,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Reconciliation of {at}</title><style>{STYLE}</style></head><body>\n<h1>Reconciliation of SAP Business One and Salesforce</h1>\n\
         <p>{at}{}; report {}, made by Tandem {} in {} s. Both systems were read, and nothing was written.</p>\n",
        report
            .since
            .as_ref()
            .map(|day| format!(", of what was changed or dated since {}", escaped(day)))
            .unwrap_or_default(),
        escaped(&report.name),
        escaped(&report.tandem),
        report.took_ms.div_ceil(1_000),
    )?;
    let is_good = report.unexplained() == 0 && report.is_whole() && report.is_something();
    let class = if is_good { "good" } else { "bad" };
    writeln!(text, "<p class=\"{class}\">{}</p>", escaped(&sentence(&report.words())))?;
    text.push_str("<table><thead><tr><th>Flow</th><th>What is compared</th>");
    for name in
        ["Salesforce", "B1", "in step", "differ", "missing in B1", "missing in Salesforce", "double", "not explained"]
    {
        write!(text, "<th class=\"n\">{name}</th>")?;
    }
    text.push_str("</tr></thead><tbody>\n");
    for flow in &report.flows {
        if let Some(why) = &flow.unsaid {
            let class = if flow.failed { " class=\"bad\"" } else { "" };
            writeln!(text, "<tr><td>{}</td><td colspan=\"9\"{class}>{}</td></tr>", escaped(&flow.flow), escaped(why))?;
        }
        for own in &flow.comparisons {
            write_counts(text, flow, own)?;
        }
    }
    text.push_str("</tbody></table>\n");
    for flow in &report.flows {
        for own in &flow.comparisons {
            write_comparison(text, flow, own)?;
        }
    }
    text.push_str("<div class=\"sign\"><div>Date</div><div>Checked by</div></div>\n</body></html>\n");
    Ok(())
}

fn write_counts(text: &mut String, flow: &FlowReport, own: &Comparison) -> std::fmt::Result {
    write!(text, "<tr><td>{}</td><td>{}</td>", escaped(&flow.flow), escaped(&own.title))?;
    if let Some(why) = &own.not_whole {
        return writeln!(text, "<td colspan=\"8\" class=\"bad\">{}</td></tr>", escaped(why));
    }
    let counts =
        [own.salesforce, own.b1, own.in_step, own.differing, own.missing_in_b1, own.missing_in_salesforce, own.double];
    for count in counts {
        write!(text, "<td class=\"n\">{count}</td>")?;
    }
    let class = if own.unexplained > 0 { "n bad" } else { "n" };
    writeln!(text, "<td class=\"{class}\">{}</td></tr>", own.unexplained)
}

fn write_comparison(text: &mut String, flow: &FlowReport, own: &Comparison) -> std::fmt::Result {
    writeln!(text, "<h2>{}: {}</h2>", escaped(&flow.flow), escaped(&own.title))?;
    writeln!(
        text,
        "<p class=\"small\">{}; B1 {}, Salesforce {}; {} records that need none on the other side</p>",
        escaped(&flow.plugin),
        escaped(&flow.b1),
        escaped(&flow.salesforce),
        own.alone
    )?;
    if let Some(why) = &own.not_whole {
        return writeln!(
            text,
            "<p class=\"bad\">{}. Of what is not whole nothing is said to be missing.</p>",
            escaped(why)
        );
    }
    if !own.sums.is_empty() {
        text.push_str("<h3>Sums</h3><table><thead><tr><th>What</th><th>Currency</th><th>Month</th>");
        for name in ["Salesforce", "B1", "difference", "of it: other month", "rounding", "alone", "differences"] {
            write!(text, "<th class=\"n\">{name}</th>")?;
        }
        text.push_str("</tr></thead><tbody>\n");
        for sum in &own.sums {
            write!(
                text,
                "<tr><td>{}</td><td>{}</td><td>{}</td>",
                escaped(&sum.what),
                escaped(&sum.currency),
                escaped(&sum.month)
            )?;
            for amount in
                [sum.salesforce, sum.b1, sum.difference, sum.other_month, sum.rounding, sum.alone, sum.differences]
            {
                write!(text, "<td class=\"n\">{}</td>", number(amount))?;
            }
            text.push_str("</tr>\n");
        }
        text.push_str("</tbody></table>\n");
    }
    for left in &own.left_out {
        writeln!(text, "<p class=\"small\">{} left out: {}</p>", left.count, escaped(&left.why))?;
    }
    if own.not_again > 0 {
        let count = own.not_again;
        writeln!(text, "<p class=\"small\">Too many differ to look again: {count} were read once.</p>")?;
    }
    if own.all() == 0 {
        return writeln!(text, "<p class=\"good\">No difference.</p>");
    }
    text.push_str("<h3>Why there are differences</h3><table><tbody>\n");
    for reason in &own.reasons {
        let class = if reason.reason == Why::Unexplained { " class=\"bad\"" } else { "" };
        writeln!(text, "<tr><td{class}>{}</td><td class=\"n\">{}</td></tr>", reason.reason.words(), reason.count)?;
    }
    text.push_str(
        "</tbody></table>\n<h3>Differences</h3><table><thead><tr><th>Difference</th><th>Record</th><th>Salesforce</th><th>B1</th>\
         <th>Reason</th></tr></thead><tbody>\n",
    );
    for difference in &own.differences {
        write_difference(text, difference)?;
    }
    text.push_str("</tbody></table>\n");
    if own.more > 0 {
        writeln!(text, "<p>{} more stand in differences.csv beside this page.</p>", own.more)?;
    }
    Ok(())
}

fn write_difference(text: &mut String, own: &Difference) -> std::fmt::Result {
    let mut record = escaped(&own.label);
    for field in &own.fields {
        write!(
            record,
            "<br><span class=\"small\">{}: {} in Salesforce, {} in B1</span>",
            escaped(&field.field),
            shown(&field.salesforce),
            shown(&field.b1)
        )?;
    }
    let class = if own.why == Why::Unexplained { " class=\"bad\"" } else { "" };
    writeln!(
        text,
        "<tr><td>{}</td><td>{record}</td><td>{}</td><td>{}</td><td{class}>{}</td></tr>",
        own.kind.words(),
        escaped(&own.salesforce),
        escaped(&own.b1),
        escaped(&own.reason)
    )
}

fn shown(value: &str) -> String {
    if value.is_empty() { "nothing".into() } else { format!("“{}”", escaped(value)) }
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// `1,234,567.80`; an amount with two places at least.
fn number(amount: Decimal) -> String {
    let mut amount = amount.normalize();
    if amount.scale() < 2 {
        amount.rescale(2);
    }
    let text = amount.abs().to_string();
    let (whole, places) = text.split_once('.').unwrap_or((&text, "00"));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if amount.is_sign_negative() && !amount.is_zero() { "−" } else { "" };
    format!("{sign}{grouped}.{places}")
}

/// As text of a page.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::report::{Field, Kind, Reasons};

    #[test]
    fn a_page_says_all_and_runs_nothing() {
        let difference = Difference {
            kind: Kind::Differs,
            label: "<script>alert(1)</script>".into(),
            salesforce: "006".into(),
            b1: "17".into(),
            fields: vec![Field { field: "net EUR".into(), salesforce: "1".into(), b1: "2\"><img src=x>".into() }],
            why: Why::Unexplained,
            reason: "nothing explains it".into(),
            event: None,
        };
        let comparison = Comparison {
            name: "orders".into(),
            title: "Orders".into(),
            salesforce: 1,
            b1: 1,
            differing: 1,
            unexplained: 1,
            reasons: vec![Reasons { reason: Why::Unexplained, count: 1 }],
            differences: vec![difference],
            ..Comparison::default()
        };
        let flow = FlowReport { flow: "orders".into(), comparisons: vec![comparison], ..FlowReport::default() };
        let text = page(&Report { name: "x".into(), flows: vec![flow], ..Report::default() });
        assert!(!text.contains("<script") && !text.contains("<img"), "{text}");
        assert!(
            text.contains("1 difference, which is not explained") && text.contains("nothing explains it"),
            "{text}"
        );
    }

    #[test]
    fn amounts_are_written_to_be_read() {
        let told = |text: &str| number(text.parse().unwrap());
        assert_eq!(
            [told("1234567.8"), told("-0.5"), told("12"), told("0.125")],
            ["1,234,567.80", "−0.50", "12.00", "0.125"]
        );
    }
}
