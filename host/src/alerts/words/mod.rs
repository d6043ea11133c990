//! What a message says, in the language of its channel: the kind of thing, the cause and the mend, and where to see it. Names of flows and connections
//! and numbers of events stand in it, and nothing of a record.

mod de;
mod en;

use chrono_tz::Tz;
use serde::Serialize;

use self::de::German;
use self::en::English;
use super::condition::{Condition, Detail, What};
use super::ledger::{News, Turn};
use super::mailbox::{Digest, Parcel, Summed, Told};
use crate::config::Language;
use crate::store::Millis;
use crate::time::local;

/// News that one message tells one by one.
const MOST_LINES: usize = 40;
/// Kinds of errors of a flow that a digest tells.
const MOST_KINDS: usize = 3;

/// One thing that a message tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// What it is, in a sentence.
    pub title: String,
    /// Since when and why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mend: String,
    /// Where to see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The same for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub news: Option<News>,
}

impl Line {
    fn of(title: String) -> Self {
        Self { title, text: String::new(), mend: String::new(), link: None, news: None }
    }

    /// It is bad news.
    pub fn is_bad(&self) -> bool {
        self.news.as_ref().is_some_and(|news| news.turn.is_bad())
    }
}

/// A message, whatever way it goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Message {
    /// By which it is known when it comes twice.
    pub id: String,
    /// What it is about, in a line.
    pub subject: String,
    /// What it tells.
    pub lines: Vec<Line>,
}

impl Message {
    /// So many are its texts.
    pub fn bytes(&self) -> usize {
        let line = |line: &Line| {
            line.title.len() + line.text.len() + line.mend.len() + line.link.as_ref().map_or(0, String::len)
        };
        self.subject.len() + self.lines.iter().map(line).sum::<usize>()
    }
}

/// What is said of a condition.
struct Phrases {
    /// What it is about.
    name: String,
    /// That it has begun.
    begun: String,
    /// That it is over.
    over: String,
    /// Why, where that is known.
    why: String,
    /// What to do.
    mend: &'static str,
}

/// A language.
trait Tongue: Sync {
    fn phrases(&self, condition: &Condition, detail: &Detail, times: &Times) -> Phrases;
    fn since(&self, since: &str) -> String;
    fn lasted(&self, since: &str, until: &str, duration: &str) -> String;
    fn flapping(&self, name: &str, times: u64, since: &str) -> String;
    fn calm(&self, name: &str, times: u64) -> String;
    fn gone(&self, name: &str) -> String;
    fn span(&self, minutes: i64) -> String;
    fn several(&self, bad: usize, over: usize) -> String;
    fn more(&self, count: usize) -> String;
    fn summed(&self, summed: &Summed, since: &str) -> String;
    fn what(&self, what: What) -> &'static str;
    fn digest(&self) -> &'static str;
    fn day(&self, since: &str, until: &str) -> String;
    fn flow(&self, flow: &str, done: u64, asked: u64, rejected: u64) -> String;
    fn open(&self, open: u64, oldest: Option<String>) -> String;
    fn kind(&self, words: &str, count: u64, example: i64) -> String;
    fn outage(&self, name: &str, since: &str, until: Option<&str>, duration: &str) -> String;
    fn no_outage(&self) -> &'static str;
    fn calls(&self, connection: &str, used: u64, of: u64) -> String;
    fn test(&self) -> (&'static str, &'static str);
}

fn tongue(language: Language) -> &'static dyn Tongue {
    match language {
        Language::En => &English,
        Language::De => &German,
    }
}

/// Moments as people of the house read them.
struct Times {
    zone: Tz,
}

impl Times {
    /// `2026-01-31 14:05`
    fn minute(&self, at: Millis) -> String {
        local(self.zone, at).chars().take(16).collect()
    }

    /// `2026-01-31`
    fn day(&self, at: Millis) -> String {
        local(self.zone, at).chars().take(10).collect()
    }
}

/// Writes the messages of one channel.
pub struct Writer {
    language: Language,
    times: Times,
    /// The console's address, where people reach it.
    console: Option<String>,
    /// What the machine is called.
    host: String,
}

impl Writer {
    /// `console`: without a slash at its end.
    pub fn new(language: Language, zone: Tz, console: Option<String>, host: String) -> Self {
        Self { language, times: Times { zone }, console, host }
    }

    fn tongue(&self) -> &'static dyn Tongue {
        tongue(self.language)
    }

    /// A parcel as a message, with as many of its lines as `fits` takes.
    pub fn message(&self, parcel: &Parcel, id: String, fits: impl Fn(&Message) -> bool) -> Message {
        let tongue = self.tongue();
        let mut lines = Vec::new();
        let news: Vec<&News> = parcel
            .told()
            .filter_map(|told| match told {
                Told::News(news) => Some(news.as_ref()),
                Told::Digest(_) => None,
            })
            .collect();
        // What is wrong comes first.
        let (bad, over): (Vec<&News>, Vec<&News>) = news.iter().copied().partition(|news| news.turn.is_bad());
        lines.extend(bad.iter().chain(&over).take(MOST_LINES).map(|news| self.news(news)));
        if !parcel.summed.is_empty() {
            let since = parcel.summed.since.map(|at| self.times.minute(at)).unwrap_or_default();
            lines.push(Line { link: self.link("/"), ..Line::of(tongue.summed(&parcel.summed, &since)) });
        }
        let mut digests = false;
        for told in parcel.told() {
            let Told::Digest(digest) = told else { continue };
            digests = true;
            self.digest(digest, &mut lines);
        }
        let about = match (lines.as_slice(), digests) {
            (_, true) if news.is_empty() => tongue.digest().to_owned(),
            ([one], _) => one.title.clone(),
            _ => tongue.several(bad.len(), over.len()),
        };
        let more = news.len().saturating_sub(MOST_LINES);
        let message = Message { id, subject: format!("Tandem {}: {about}", self.host), lines };
        self.cut(message, more, fits)
    }

    /// With as many lines as fit, and how many more there are; `more`: that are not among them.
    fn cut(&self, message: Message, more: usize, fits: impl Fn(&Message) -> bool) -> Message {
        let with = |count: usize| {
            let mut cut = Message { lines: message.lines[..count].to_vec(), ..message.clone() };
            let more = more + message.lines.len() - count;
            if more > 0 {
                cut.lines.push(Line { link: self.link("/"), ..Line::of(self.tongue().more(more)) });
            }
            cut
        };
        // The most that fit, by halves.
        let (mut low, mut high) = (0, message.lines.len());
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if fits(&with(middle)) { low = middle } else { high = middle - 1 }
        }
        with(low)
    }

    /// One that says that messages arrive.
    pub fn test(&self, id: String) -> Message {
        let (title, text) = self.tongue().test();
        let line = Line { text: text.to_owned(), link: self.link("/"), ..Line::of(title.to_owned()) };
        Message { id, subject: format!("Tandem {}: {title}", self.host), lines: vec![line] }
    }

    fn news(&self, news: &News) -> Line {
        let tongue = self.tongue();
        let phrases = tongue.phrases(&news.condition, &news.detail, &self.times);
        let since = self.times.minute(news.since);
        let until = news.until.unwrap_or(news.since);
        let (title, text, mend) = match news.turn {
            Turn::Begun => (phrases.begun, joined(&tongue.since(&since), &phrases.why), phrases.mend),
            Turn::Flapping => (tongue.flapping(&phrases.name, news.times, &since), phrases.why, phrases.mend),
            Turn::Over => {
                let span = tongue.span((until - news.since).max(0) / 60_000);
                (phrases.over, tongue.lasted(&since, &self.times.minute(until), &span), "")
            }
            Turn::Calm => (tongue.calm(&phrases.name, news.times), String::new(), ""),
            Turn::Gone => (tongue.gone(&phrases.name), tongue.since(&since), ""),
        };
        let link = self.link(&page(&news.condition, &news.detail));
        Line { title, text, mend: mend.to_owned(), link, news: Some(news.clone()) }
    }

    fn digest(&self, digest: &Digest, lines: &mut Vec<Line>) {
        let tongue = self.tongue();
        let (since, until) = (self.times.minute(digest.since), self.times.minute(digest.until));
        lines.push(Line { link: self.link("/"), ..Line::of(tongue.day(&since, &until)) });
        for own in &digest.day.flows {
            let mut text = Vec::new();
            if own.open > 0 {
                text.push(tongue.open(own.open, own.oldest.map(|at| self.times.minute(at))));
            }
            text.extend(own.errors.iter().take(MOST_KINDS).map(|(words, count, id)| tongue.kind(words, *count, *id)));
            let link = match (own.errors.is_empty(), own.open) {
                (false, _) => self.link(&format!("/kinds?flow={}", own.flow)),
                (true, 0) => None,
                (true, _) => self.link(&format!("/reviews?flow={}", own.flow)),
            };
            let title = tongue.flow(&own.flow, own.done, own.asked, own.rejected);
            lines.push(Line { text: text.join("\n"), link, ..Line::of(title) });
        }
        for own in &digest.outages {
            let name = tongue.phrases(&own.condition, &Detail::default(), &self.times).name;
            let span = tongue.span((own.until.unwrap_or(digest.until) - own.since).max(0) / 60_000);
            let until = own.until.map(|at| self.times.minute(at));
            let title = tongue.outage(&name, &self.times.minute(own.since), until.as_deref(), &span);
            lines.push(Line::of(title));
        }
        if digest.outages.is_empty() {
            lines.push(Line::of(tongue.no_outage().to_owned()));
        }
        let calls = digest.day.calls.iter();
        lines.extend(calls.map(|own| Line::of(tongue.calls(&own.connection, own.used, own.of))));
    }

    fn link(&self, page: &str) -> Option<String> {
        self.console.as_ref().map(|console| format!("{console}{page}"))
    }
}

/// Where in the console it is seen.
fn page(condition: &Condition, detail: &Detail) -> String {
    match condition {
        Condition::Held { flow } => format!("/flows/{flow}"),
        Condition::Oldest { flow } => format!("/events?flow={flow}"),
        Condition::Reviews { flow } => format!("/reviews?flow={flow}"),
        Condition::Approval { call, .. } => format!("/reviews/{call}"),
        Condition::Error { flow, .. } => match detail.example {
            Some(event) => format!("/events/{event}"),
            None => format!("/kinds?flow={flow}"),
        },
        _ => "/".into(),
    }
}

fn joined(one: &str, other: &str) -> String {
    if other.is_empty() { one.to_owned() } else { format!("{one} {other}") }
}

#[cfg(test)]
mod tests {
    use super::super::channel::fits;
    use super::super::condition::{Cause, Day, Ending, FlowDay, Used};
    use super::super::ledger::Ended;
    use super::super::mailbox::Mailbox;
    use super::*;
    use crate::config::ChannelKind;

    const START: Millis = 1_795_000_000_000;

    fn writer(language: Language) -> Writer {
        Writer::new(language, Tz::Europe__Berlin, Some("https://tandem.example.com".into()), "b1server".into())
    }

    fn all() -> Vec<Condition> {
        let (flow, connection) = (|| "orders".to_owned(), || "erp".to_owned());
        let endings = [
            Ending::HostCertificate,
            Ending::Certificate(connection()),
            Ending::Secret("crm".into()),
            Ending::SignOnSecret,
        ];
        let mut all = vec![
            Condition::Store,
            Condition::Disk,
            Condition::Backup,
            Condition::Outage { connection: connection() },
            Condition::Silent { source: "crm /event/Tandem_Change__e".into() },
            Condition::Held { flow: flow() },
            Condition::Oldest { flow: flow() },
            Condition::Calls { connection: connection() },
            Condition::DailyLimit { connection: connection() },
            Condition::Deliveries { connection: connection() },
            Condition::Error { flow: flow(), kind: "0123".into() },
            Condition::Reviews { flow: flow() },
            Condition::Approval { flow: flow(), call: 7 },
            Condition::Differs { flow: flow() },
            Condition::NotCompared,
            Condition::NotWhole { flow: flow() },
        ];
        for of in endings {
            all.extend([false, true].map(|soon| Condition::Expiry { of: of.clone(), soon }));
        }
        all
    }

    fn of(told: Vec<Told>, language: Language) -> Message {
        let mut mailbox = Mailbox::default();
        for told in told {
            mailbox.put(told, START);
        }
        let parcel = mailbox.next(START + 60_000, 60_000, 10).unwrap();
        writer(language).message(&parcel, "1".into(), |_| true)
    }

    fn news(condition: Condition, turn: Turn) -> Told {
        let detail = Detail {
            cause: Some(Cause::Unreached),
            words: Some("the plugin orders waits for consent".into()),
            count: Some(12_345),
            of: Some(15_000),
            at: Some(START + 10 * 24 * 3_600_000),
            example: Some(17),
        };
        let until = (!turn.is_bad()).then_some(START + 55 * 60_000);
        Told::News(Box::new(News { condition, flows: Vec::new(), turn, since: START, until, times: 7, detail }))
    }

    #[test]
    fn everything_is_said_in_both_languages_with_its_mend_and_where_it_is_seen() {
        for condition in all() {
            for turn in [Turn::Begun, Turn::Over, Turn::Flapping, Turn::Calm, Turn::Gone] {
                let [english, german] = [Language::En, Language::De]
                    .map(|language| of(vec![news(condition.clone(), turn)], language).lines.remove(0));
                assert_ne!(english.title, german.title, "{condition:?}");
                for line in [english, german] {
                    assert!(line.title.chars().count() > 8 && !line.title.ends_with('.'), "{line:?}");
                    assert_eq!(line.mend.is_empty(), !turn.is_bad(), "{line:?}");
                    assert!(line.link.is_some_and(|link| link.starts_with("https://tandem.example.com/")));
                }
            }
        }
    }

    #[test]
    fn an_outage_says_since_when_and_why_and_its_end_how_long_it_was() {
        let outage = Condition::Outage { connection: "erp".into() };
        let begun = of(vec![news(outage.clone(), Turn::Begun)], Language::En);
        assert_eq!(begun.subject, "Tandem b1server: Connection erp cannot be used");
        let text = &begun.lines[0].text;
        assert!(text.contains("since 2026-11-18 1") && text.contains("does not answer"), "{text}");
        let over = of(vec![news(outage, Turn::Over)], Language::De);
        assert_eq!(over.subject, "Tandem b1server: Verbindung erp ist wieder nutzbar");
        assert!(over.lines[0].text.contains("55 min"), "{}", over.lines[0].text);
    }

    #[test]
    fn several_go_in_one_message_the_bad_ones_first_and_too_many_are_counted() {
        let held = |flow: &str| Condition::Held { flow: flow.into() };
        let both = vec![news(held("orders"), Turn::Over), news(held("accounts"), Turn::Begun)];
        let message = of(both, Language::En);
        assert_eq!(message.subject, "Tandem b1server: 1 problem, 1 over");
        assert!(message.lines[0].is_bad() && message.lines[0].title.contains("accounts"));
        let many = (0..60).map(|n| news(held(&format!("f{n}")), Turn::Begun)).collect();
        let message = of(many, Language::De);
        assert_eq!(message.lines.len(), MOST_LINES + 1);
        assert!(message.lines[MOST_LINES].title.contains("20"), "{:?}", message.lines[MOST_LINES]);
    }

    #[test]
    fn a_message_is_no_larger_than_its_channel_takes_whatever_stands_in_it() {
        let long = |n: usize| {
            let Told::News(mut news) = news(Condition::Held { flow: format!("flow{n}") }, Turn::Begun) else {
                unreachable!()
            };
            news.detail.words = Some("*[ü]_".repeat(60));
            Told::News(news)
        };
        for kind in [ChannelKind::Teams, ChannelKind::Slack, ChannelKind::Smtp, ChannelKind::Webhook] {
            let mut mailbox = Mailbox::default();
            (0..MOST_LINES + 5).for_each(|n| mailbox.put(long(n), START));
            let parcel = mailbox.next(START + 60_000, 60_000, 10).unwrap();
            let message = writer(Language::De).message(&parcel, "1".into(), |message| fits(kind, message));
            assert!(fits(kind, &message), "{kind:?}");
            let (shown, last) = (message.lines.len() - 1, message.lines.last().unwrap());
            assert!(last.title.contains(&format!(" {} ", MOST_LINES + 5 - shown)), "{kind:?}: {last:?}");
            assert!(shown > 5 && (kind != ChannelKind::Teams || shown < MOST_LINES), "{kind:?}: {shown}");
        }
    }

    #[test]
    fn a_digest_tells_the_day_by_flow() {
        let flow = FlowDay {
            flow: "orders".into(),
            done: 40,
            asked: 3,
            rejected: 1,
            open: 2,
            oldest: Some(START),
            errors: vec![("… is over the limit".into(), 3, 17)],
        };
        let calls = vec![Used { connection: "crm".into(), flows: Vec::new(), used: 1_200, of: 15_000 }];
        let condition = Condition::Outage { connection: "erp".into() };
        let outages = vec![Ended { condition, flows: Vec::new(), since: START, until: Some(START + 3_600_000) }];
        let day = Day { flows: vec![flow], calls };
        let digest = Digest { since: START, until: START + 24 * 3_600_000, day, outages };
        for language in [Language::En, Language::De] {
            let message = of(vec![Told::Digest(Box::new(digest.clone()))], language);
            let text: String = message.lines.iter().map(|line| format!("{}\n{}\n", line.title, line.text)).collect();
            for part in ["orders", "40", "… is over the limit", "17", "erp", "1 h", "1200", "15000"] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
}
