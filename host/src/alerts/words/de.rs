//! German.

use super::{Phrases, Times, Tongue};
use crate::alerts::condition::{Cause, Condition, Detail, Ending, What};
use crate::alerts::mailbox::Summed;

/// See the module's words.
pub struct German;

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

impl Tongue for German {
    fn phrases(&self, condition: &Condition, detail: &Detail, times: &Times) -> Phrases {
        let (count, of) = (detail.count.unwrap_or_default(), detail.of.unwrap_or_default());
        let at = |time: fn(&Times, i64) -> String| detail.at.map(|at| time(times, at)).unwrap_or_default();
        match condition {
            Condition::Store => Phrases {
                name: "Die Datenbank".into(),
                begun: "Die Datenbank nimmt nichts mehr an".into(),
                over: "Die Datenbank nimmt wieder alles an".into(),
                why: "Neues wird nicht aufgenommen. Verloren ist nichts; der Host macht von selbst weiter, sobald Platz ist.".into(),
                mend: "Platz auf dem Datenträger der Datenbank schaffen oder ihn instand setzen.",
            },
            Condition::Disk => Phrases {
                name: "Platz auf dem Datenträger".into(),
                begun: format!("Wenig Platz auf dem Datenträger der Datenbank: {count} MB sind frei"),
                over: "Auf dem Datenträger der Datenbank ist wieder Platz".into(),
                why: String::new(),
                mend: "Platz schaffen oder weniger aufbewahren: keep_days und max_megabytes unter [store].",
            },
            Condition::Backup => Phrases {
                name: "Sicherungen".into(),
                begun: "Es wird keine Sicherung erstellt".into(),
                over: "Es wurde wieder eine Sicherung erstellt".into(),
                why: detail.words.clone().unwrap_or_default(),
                mend: "Ordner und Datenträger mit `tandem check` ansehen; `tandem backup` versucht es sofort.",
            },
            Condition::Outage { connection } => {
                let (why, mend) = match detail.cause.unwrap_or(Cause::Unreached) {
                    Cause::SignIn => (
                        "Die Anmeldung wird abgelehnt.",
                        "Benutzer, Kennwort, Firma oder Schlüssel des Abschnitts in tandem.toml prüfen; ein in seiner Datei geändertes Geheimnis wird sofort versucht.",
                    ),
                    Cause::Certificate => (
                        "Dem Zertifikat wird nicht vertraut.",
                        "Wurde es erneuert? Fingerabdruck vergleichen, dann tls.ca_file oder tls.pin_sha256 neu angeben.",
                    ),
                    Cause::Proxy => (
                        "Der Proxy auf dem Weg lässt nichts durch.",
                        "Den Proxy prüfen, und was er durchlässt.",
                    ),
                    Cause::Unreached => (
                        "Das System antwortet nicht.",
                        "Läuft der Server, steht das Netz dazwischen? Tandem versucht es von selbst weiter; verloren ist nichts.",
                    ),
                };
                Phrases {
                    name: format!("Verbindung {connection}"),
                    begun: format!("Verbindung {connection} ist nicht nutzbar"),
                    over: format!("Verbindung {connection} ist wieder nutzbar"),
                    why: why.into(),
                    mend,
                }
            }
            Condition::Silent { source } => Phrases {
                name: format!("Ereignisse von {source}"),
                begun: format!("Von {source} kommen keine Ereignisse"),
                over: format!("Von {source} kommen wieder Ereignisse"),
                why: String::new(),
                mend: "Mit `tandem check` prüfen, ob der Weg der Ereignisse offen ist und es das Thema gibt.",
            },
            Condition::Held { flow } => Phrases {
                name: format!("Ablauf {flow}"),
                begun: format!("Der Ablauf {flow} ist angehalten"),
                over: format!("Der Ablauf {flow} läuft wieder"),
                why: detail.words.clone().unwrap_or_default(),
                mend: "Was zu tun ist, sagen die Seite des Ablaufs und `tandem check`.",
            },
            Condition::Oldest { flow } => Phrases {
                name: format!("Wartende Ereignisse von {flow}"),
                begun: format!("Ein Ereignis des Ablaufs {flow} wartet seit {}", at(Times::minute)),
                over: format!("Kein Ereignis des Ablaufs {flow} wartet mehr zu lange"),
                why: String::new(),
                mend: "Nachsehen, worauf es wartet: auf der Seite der Ereignisse oder mit `tandem events list`.",
            },
            Condition::Calls { connection } => Phrases {
                name: format!("API-Aufrufe von {connection}"),
                begun: format!("{count} von {of} API-Aufrufen des Tages sind bei {connection} verbraucht"),
                over: format!("Bei {connection} sind wieder genug API-Aufrufe frei"),
                why: String::new(),
                mend: "Nachsehen, wer sie verbraucht: Setup, Firmeninformationen und API-Nutzung. Nahe der Grenze überlässt Tandem den Rest den Menschen.",
            },
            Condition::DailyLimit { connection } => Phrases {
                name: format!("Tagesgrenze von {connection}"),
                begun: format!("Die Abläufe von {connection} halten sich zurück: {count} von {of} API-Aufrufen des Tages sind verbraucht"),
                over: format!("Die Abläufe von {connection} gehen weiter"),
                why: "Was vom Tag übrig ist, gehört den Menschen in der Org.".into(),
                mend: "Sie gehen von selbst weiter, sobald die Org weniger zählt; daily_limit_percent sagt, ab wann sie sich zurückhalten.",
            },
            Condition::Deliveries { connection } => Phrases {
                name: format!("Ereigniszustellungen von {connection}"),
                begun: format!("Die Ereigniszustellungen von {connection} sind verbraucht"),
                over: format!("{connection} stellt wieder Ereignisse zu"),
                why: "Bis die Org wieder zustellt, werden Änderungen durch Abfragen gefunden.".into(),
                mend: "Nachsehen, wer sie verbraucht: Setup, Ereignisnutzung. Weniger beobachten oder mehr kaufen.",
            },
            Condition::Expiry { of, .. } => {
                let (name, mend) = match of {
                    Ending::HostCertificate => (
                        "Das Zertifikat dieses Hosts".to_owned(),
                        "Erneuern; der Host übernimmt die neuen Dateien von selbst.",
                    ),
                    Ending::Certificate(name) => (
                        format!("Das Zertifikat von {name}"),
                        "Erneuern lassen und, wo es festgelegt ist, den neuen Fingerabdruck angeben.",
                    ),
                    Ending::Secret(name) => (
                        format!("Das Geheimnis oder der Schlüssel von {name}"),
                        "Ein neues anlegen, in seine Datei schreiben und den letzten Tag als secret_until angeben.",
                    ),
                    Ending::SignOnSecret => (
                        "Das Geheimnis des Single Sign-on".to_owned(),
                        "Beim Anbieter ein neues anlegen, in seine Datei schreiben und den letzten Tag als secret_until angeben.",
                    ),
                };
                Phrases {
                    begun: format!("{name} endet am {}, in {}", at(Times::day), plural(count, "Tag", "Tagen")),
                    over: format!("{name} gilt wieder länger"),
                    name,
                    why: String::new(),
                    mend,
                }
            }
            Condition::Error { flow, .. } => Phrases {
                name: format!("Ein Fehler von {flow}"),
                begun: format!("Eine neue Art von Fehler im Ablauf {flow}: {}", plural(count, "Datensatz", "Datensätze")),
                over: format!("Eine Art von Fehler im Ablauf {flow} ist erledigt"),
                why: detail.words.clone().unwrap_or_default(),
                mend: "Das Beispiel ansehen, die Ursache beheben, dann auf der Seite der Fehler die ganze Art neu ausführen.",
            },
            Condition::Differs { flow } => Phrases {
                name: format!("Beide Seiten von {flow}"),
                begun: format!(
                    "Beide Seiten des Ablaufs {flow} weichen voneinander ab, und nichts erklärt {}",
                    plural(count, "Abweichung", "Abweichungen")
                ),
                over: format!("Beide Seiten des Ablaufs {flow} stimmen überein, oder es ist bekannt, warum nicht"),
                why: detail.words.clone().unwrap_or_default(),
                mend: "Den Bericht dieses Namens ansehen (`reports` neben der Datenbank), die Datensätze richten oder neu lesen lassen und noch einmal vergleichen: `tandem reconcile`.",
            },
            Condition::NotCompared => Phrases {
                name: "Der Vergleich beider Seiten".into(),
                begun: "Beide Seiten wurden nicht verglichen".into(),
                over: "Beide Seiten wurden wieder verglichen".into(),
                why: detail.words.clone().unwrap_or_default(),
                mend: "`tandem reconcile` sagt, was im Weg ist.",
            },
            Condition::NotWhole { flow } => Phrases {
                name: format!("Der Vergleich von {flow}"),
                begun: format!("Beide Seiten des Ablaufs {flow} wurden nicht als Ganzes verglichen"),
                over: format!("Beide Seiten des Ablaufs {flow} wurden wieder verglichen"),
                why: detail.words.clone().unwrap_or_default(),
                mend: "`tandem reconcile` mit dem Namen des Ablaufs sagt, was im Weg ist.",
            },
            Condition::Reviews { flow } => Phrases {
                name: format!("Prüfungen von {flow}"),
                begun: format!(
                    "{} des Ablaufs {flow}, die älteste seit {}",
                    plural(count, "offene Prüfung", "offene Prüfungen"),
                    at(Times::minute)
                ),
                over: format!("Die Prüfungen des Ablaufs {flow} sind wieder wenige und jung"),
                why: String::new(),
                mend: "Beantworten: in der Konsole, in der Org oder mit `tandem review list`.",
            },
            Condition::Approval { flow, call } => Phrases {
                name: format!("Aufruf {call} von {flow}"),
                begun: format!("Aufruf {call} des Ablaufs {flow} wartet auf Zustimmung"),
                over: format!("Aufruf {call} des Ablaufs {flow} wartet nicht mehr"),
                why: detail.words.clone().unwrap_or_default(),
                mend: "Ansehen, was er schreiben würde, und zustimmen, ändern oder ablehnen: in der Konsole oder mit `tandem review show`.",
            },
        }
    }

    fn since(&self, since: &str) -> String {
        format!("Es ist so seit {since}.")
    }

    fn lasted(&self, since: &str, until: &str, duration: &str) -> String {
        format!("Es war so von {since} bis {until}: {duration}.")
    }

    fn flapping(&self, name: &str, times: u64, since: &str) -> String {
        format!("{name}: die Störung kommt und geht, {times}-mal seit {since}")
    }

    fn calm(&self, name: &str, times: u64) -> String {
        format!("{name}: seit einer Stunde ruhig, nachdem die Störung {times}-mal kam")
    }

    fn gone(&self, name: &str) -> String {
        format!("{name}: wird nicht mehr beobachtet, da tandem.toml nicht mehr danach fragt")
    }

    fn span(&self, minutes: i64) -> String {
        match (minutes / 60, minutes % 60) {
            (0, minutes) => format!("{minutes} min"),
            (hours, minutes) if hours < 48 => format!("{hours} h {minutes} min"),
            (hours, _) => format!("{} Tage", hours / 24),
        }
    }

    fn several(&self, bad: usize, over: usize) -> String {
        match (bad, over) {
            (0, 0) => "was nicht einzeln gemeldet wurde".into(),
            (bad, 0) => plural(bad as u64, "Störung", "Störungen"),
            (0, over) => format!("{over} vorbei"),
            (bad, over) => format!("{}, {over} vorbei", plural(bad as u64, "Störung", "Störungen")),
        }
    }

    fn more(&self, count: usize) -> String {
        format!("und {count} weitere: siehe Konsole")
    }

    fn summed(&self, summed: &Summed, since: &str) -> String {
        let counts = summed.counts.iter().map(|(what, (bad, good))| match good {
            0 => format!("{bad} {}", self.what(*what)),
            good => format!("{bad} {} ({good} vorbei)", self.what(*what)),
        });
        let counts: Vec<String> = counts.collect();
        format!("Nicht einzeln gemeldet seit {since}: {}", counts.join(", "))
    }

    fn what(&self, what: What) -> &'static str {
        match what {
            What::Store => "Datenbank",
            What::Outage => "Ausfall",
            What::Held => "angehaltener Ablauf",
            What::Waiting => "Wartezeit",
            What::Budget => "Kontingent",
            What::Expiry => "Fristende",
            What::Errors => "neue Fehlerart",
            What::Reviews => "Prüfungen",
            What::Approvals => "Aufruf, dem zuzustimmen ist",
            What::Reconcile => "Abweichung beider Seiten",
            What::Backup => "Sicherung",
            What::Digest => "Tagesübersicht",
        }
    }

    fn digest(&self) -> &'static str {
        "der Tag"
    }

    fn day(&self, since: &str, until: &str) -> String {
        format!("Von {since} bis {until}")
    }

    fn flow(&self, flow: &str, done: u64, asked: u64, rejected: u64) -> String {
        format!("{flow}: {done} erledigt, {asked} zur Prüfung, {rejected} abgelehnt")
    }

    fn open(&self, open: u64, oldest: Option<String>) -> String {
        let since = oldest.map(|at| format!(", die älteste seit {at}")).unwrap_or_default();
        format!("{}{since}", plural(open, "Prüfung ist offen", "Prüfungen sind offen"))
    }

    fn kind(&self, words: &str, count: u64, example: i64) -> String {
        format!("{count} × {words} (Ereignis {example})")
    }

    fn outage(&self, name: &str, since: &str, until: Option<&str>, duration: &str) -> String {
        match until {
            Some(until) => format!("Störung: {name}, von {since} bis {until}, {duration}"),
            None => format!("Störung: {name}, seit {since}, bisher {duration}"),
        }
    }

    fn no_outage(&self) -> &'static str {
        "Kein Ausfall"
    }

    fn calls(&self, connection: &str, used: u64, of: u64) -> String {
        format!("{connection}: {used} von {of} API-Aufrufen der letzten 24 Stunden sind verbraucht")
    }

    fn test(&self) -> (&'static str, &'static str) {
        ("eine Testnachricht", "Die Meldungen dieses Hosts kommen hier an. Zu tun ist nichts.")
    }
}
