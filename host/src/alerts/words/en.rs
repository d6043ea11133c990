//! English.

use super::{Phrases, Times, Tongue};
use crate::alerts::condition::{Cause, Condition, Detail, Ending, What};
use crate::alerts::mailbox::Summed;

/// See the module's words.
pub struct English;

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

impl Tongue for English {
    fn phrases(&self, condition: &Condition, detail: &Detail, times: &Times) -> Phrases {
        let (count, of) = (detail.count.unwrap_or_default(), detail.of.unwrap_or_default());
        let at = |time: fn(&Times, i64) -> String| detail.at.map(|at| time(times, at)).unwrap_or_default();
        match condition {
            Condition::Store => Phrases {
                name: "The database".into(),
                begun: "The database takes no writes".into(),
                over: "The database takes writes again".into(),
                why: "Nothing new is taken in. Nothing is lost, and the host goes on by itself when there is room."
                    .into(),
                mend: "Make room on the disk where the database lies, or mend the disk.",
            },
            Condition::Disk => Phrases {
                name: "Room on the disk".into(),
                begun: format!("Little room on the disk of the database: {count} MB are free"),
                over: "There is room on the disk of the database again".into(),
                why: String::new(),
                mend: "Make room, or keep less: keep_days and max_megabytes of [store].",
            },
            Condition::Backup => Phrases {
                name: "Backups".into(),
                begun: "No backup is made".into(),
                over: "A backup was made again".into(),
                why: detail.words.clone().unwrap_or_default(),
                mend: "See `tandem check` for the folder and its disk; `tandem backup` tries at once.",
            },
            Condition::Outage { connection } => {
                let (why, mend) = match detail.cause.unwrap_or(Cause::Unreached) {
                    Cause::SignIn => (
                        "Its sign-in is refused.",
                        "Check user, password, company or key of its section in tandem.toml; a secret that is changed in its file is tried at once.",
                    ),
                    Cause::Certificate => (
                        "Its certificate is not trusted.",
                        "Was it renewed? Compare its fingerprint, then give tls.ca_file or tls.pin_sha256 anew.",
                    ),
                    Cause::Proxy => {
                        ("The proxy on the way lets nothing through.", "Check the proxy, and what it lets through.")
                    }
                    Cause::Unreached => (
                        "It does not answer.",
                        "Is the server up, and the network between? Tandem tries it by itself, and nothing is lost.",
                    ),
                };
                Phrases {
                    name: format!("Connection {connection}"),
                    begun: format!("Connection {connection} cannot be used"),
                    over: format!("Connection {connection} can be used again"),
                    why: why.into(),
                    mend,
                }
            }
            Condition::Silent { source } => Phrases {
                name: format!("Events of {source}"),
                begun: format!("No events come from {source}"),
                over: format!("Events come from {source} again"),
                why: String::new(),
                mend: "Look with `tandem check` whether the way of the events is open, and the topic there.",
            },
            Condition::Held { flow } => Phrases {
                name: format!("Flow {flow}"),
                begun: format!("The flow {flow} is held"),
                over: format!("The flow {flow} runs again"),
                why: detail.words.clone().unwrap_or_default(),
                mend: "See the flow's page, or `tandem check`, for what is to be done.",
            },
            Condition::Oldest { flow } => Phrases {
                name: format!("Waiting events of {flow}"),
                begun: format!("An event of the flow {flow} has waited since {}", at(Times::minute)),
                over: format!("No event of the flow {flow} waits too long any more"),
                why: String::new(),
                mend: "See what it waits for: on the events page, or by `tandem events list`.",
            },
            Condition::Calls { connection } => Phrases {
                name: format!("API calls of {connection}"),
                begun: format!("{count} of {of} API calls of the day are used at {connection}"),
                over: format!("There are API calls enough again at {connection}"),
                why: String::new(),
                mend: "See who uses them: Setup, Company Information and API Usage. Near the limit Tandem leaves the rest to people.",
            },
            Condition::DailyLimit { connection } => Phrases {
                name: format!("Daily limit of {connection}"),
                begun: format!("The flows of {connection} hold back: {count} of {of} API calls of the day are used"),
                over: format!("The flows of {connection} go on"),
                why: "What is left of the day belongs to the org's people.".into(),
                mend: "They go on by themselves when the org counts fewer; daily_limit_percent says from when on they hold back.",
            },
            Condition::Deliveries { connection } => Phrases {
                name: format!("Event deliveries of {connection}"),
                begun: format!("The event deliveries of {connection} are used up"),
                over: format!("{connection} delivers events again"),
                why: "Changes are found by query until the org delivers again.".into(),
                mend: "See who uses them: Setup, Event Usage. Watch less, or buy more.",
            },
            Condition::Expiry { of, .. } => {
                let (name, mend) = match of {
                    Ending::HostCertificate => (
                        "The certificate of this host".to_owned(),
                        "Renew it; the host takes up the new files by itself.",
                    ),
                    Ending::Certificate(name) => (
                        format!("The certificate of {name}"),
                        "Have it renewed, and where it is pinned give its new fingerprint.",
                    ),
                    Ending::Secret(name) => (
                        format!("The secret or key of {name}"),
                        "Make a new one, put it into its file, and give its last day as secret_until.",
                    ),
                    Ending::SignOnSecret => (
                        "The secret of the single sign-on".to_owned(),
                        "Make a new one at the provider, put it into its file, and give its last day as secret_until.",
                    ),
                };
                Phrases {
                    begun: format!("{name} ends on {}, in {}", at(Times::day), plural(count, "day", "days")),
                    over: format!("{name} holds for longer again"),
                    name,
                    why: String::new(),
                    mend,
                }
            }
            Condition::Error { flow, .. } => Phrases {
                name: format!("An error of {flow}"),
                begun: format!("A new kind of error in the flow {flow}: {}", plural(count, "record", "records")),
                over: format!("A kind of error in the flow {flow} is settled"),
                why: detail.words.clone().unwrap_or_default(),
                mend: "See the example, mend the cause, then run the whole kind again from the page of errors.",
            },
            Condition::Differs { flow } => Phrases {
                name: format!("Both sides of {flow}"),
                begun: format!(
                    "Both sides of the flow {flow} differ, and nothing explains {}",
                    plural(count, "difference", "differences")
                ),
                over: format!("Both sides of the flow {flow} agree, or it is known why not"),
                why: detail.words.clone().unwrap_or_default(),
                mend: "Look at the report of that name (`reports` beside the database), mend the records or ask for them to be read again, and compare once more: `tandem reconcile`.",
            },
            Condition::NotCompared => Phrases {
                name: "The comparison of both sides".into(),
                begun: "Both sides were not compared".into(),
                over: "Both sides were compared again".into(),
                why: detail.words.clone().unwrap_or_default(),
                mend: "`tandem reconcile` says what is in the way.",
            },
            Condition::NotWhole { flow } => Phrases {
                name: format!("The comparison of {flow}"),
                begun: format!("Both sides of the flow {flow} were not compared as a whole"),
                over: format!("Both sides of the flow {flow} were compared again"),
                why: detail.words.clone().unwrap_or_default(),
                mend: "`tandem reconcile` with the flow's name says what is in the way.",
            },
            Condition::Reviews { flow } => Phrases {
                name: format!("Questions of {flow}"),
                begun: format!(
                    "{} of the flow {flow}, the oldest since {}",
                    plural(count, "open question", "open questions"),
                    at(Times::minute)
                ),
                over: format!("The questions of the flow {flow} are few and young again"),
                why: String::new(),
                mend: "Answer them: in the console, in the org, or by `tandem review list`.",
            },
            Condition::Approval { flow, call } => Phrases {
                name: format!("Call {call} of {flow}"),
                begun: format!("Call {call} of the flow {flow} waits to be approved"),
                over: format!("Call {call} of the flow {flow} waits no more"),
                why: detail.words.clone().unwrap_or_default(),
                mend: "Look at what it would write, and approve, change or refuse it: in the console, or by `tandem review show`.",
            },
        }
    }

    fn since(&self, since: &str) -> String {
        format!("It is so since {since}.")
    }

    fn lasted(&self, since: &str, until: &str, duration: &str) -> String {
        format!("It was so from {since} to {until}: {duration}.")
    }

    fn flapping(&self, name: &str, times: u64, since: &str) -> String {
        format!("{name}: trouble comes and goes, {times} times since {since}")
    }

    fn calm(&self, name: &str, times: u64) -> String {
        format!("{name}: calm for an hour, after trouble came {times} times")
    }

    fn gone(&self, name: &str) -> String {
        format!("{name}: no longer looked at, since tandem.toml does not ask for it any more")
    }

    fn span(&self, minutes: i64) -> String {
        match (minutes / 60, minutes % 60) {
            (0, minutes) => format!("{minutes} min"),
            (hours, minutes) if hours < 48 => format!("{hours} h {minutes} min"),
            (hours, _) => format!("{} days", hours / 24),
        }
    }

    fn several(&self, bad: usize, over: usize) -> String {
        match (bad, over) {
            (0, 0) => "what was not told one by one".into(),
            (bad, 0) => plural(bad as u64, "problem", "problems"),
            (0, over) => format!("{over} over"),
            (bad, over) => format!("{}, {over} over", plural(bad as u64, "problem", "problems")),
        }
    }

    fn more(&self, count: usize) -> String {
        format!("and {count} more: see the console")
    }

    fn summed(&self, summed: &Summed, since: &str) -> String {
        let counts = summed.counts.iter().map(|(what, (bad, good))| match good {
            0 => format!("{bad} {}", self.what(*what)),
            good => format!("{bad} {} ({good} over)", self.what(*what)),
        });
        let counts: Vec<String> = counts.collect();
        format!("Not told one by one since {since}: {}", counts.join(", "))
    }

    fn what(&self, what: What) -> &'static str {
        match what {
            What::Store => "database",
            What::Outage => "outage",
            What::Held => "held flow",
            What::Waiting => "waiting",
            What::Budget => "budget",
            What::Expiry => "expiry",
            What::Errors => "new kind of error",
            What::Reviews => "questions",
            What::Approvals => "call to be approved",
            What::Reconcile => "difference of both sides",
            What::Backup => "backup",
            What::Digest => "digest",
        }
    }

    fn digest(&self) -> &'static str {
        "the day"
    }

    fn day(&self, since: &str, until: &str) -> String {
        format!("From {since} to {until}")
    }

    fn flow(&self, flow: &str, done: u64, asked: u64, rejected: u64) -> String {
        format!("{flow}: {done} done, {asked} to review, {rejected} rejected")
    }

    fn open(&self, open: u64, oldest: Option<String>) -> String {
        let since = oldest.map(|at| format!(", the oldest since {at}")).unwrap_or_default();
        format!("{}{since}", plural(open, "question is open", "questions are open"))
    }

    fn kind(&self, words: &str, count: u64, example: i64) -> String {
        format!("{count} × {words} (event {example})")
    }

    fn outage(&self, name: &str, since: &str, until: Option<&str>, duration: &str) -> String {
        match until {
            Some(until) => format!("Trouble: {name}, from {since} to {until}, {duration}"),
            None => format!("Trouble: {name}, since {since}, {duration} so far"),
        }
    }

    fn no_outage(&self) -> &'static str {
        "No outage"
    }

    fn calls(&self, connection: &str, used: u64, of: u64) -> String {
        format!("{connection}: {used} of {of} API calls of 24 hours are used")
    }

    fn test(&self) -> (&'static str, &'static str) {
        ("a test message", "Messages of this host arrive here. There is nothing to do.")
    }
}
