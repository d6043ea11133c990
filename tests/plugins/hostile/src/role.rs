//! What a copy of this plugin is called and how it lies about itself. A test writes it into the built file: one build is every liar.

use tandem_sdk::{Description, Timer, clock, log, permission};
use tandem_sdk::{Method, Permission};

/// `<name> <lie>`, filled up with spaces.
static ROLE: [u8; 76] = *b"TANDEM-ROLE=hostile                                                         ";

const MARK: usize = "TANDEM-ROLE=".len();

fn words() -> (&'static str, &'static str) {
    // Read as it stands in the file, not as the compiler knew it.
    let role: &'static [u8; 76] = std::hint::black_box(&ROLE);
    let text = std::str::from_utf8(&role[MARK..]).unwrap_or_default().trim_end();
    text.split_once(' ').unwrap_or((text, ""))
}

/// The file's name.
pub fn name() -> &'static str {
    words().0
}

/// How it lies about its tools.
pub fn lie_of_tools() -> &'static str {
    words().1
}

/// What `describe` does before it answers.
pub fn misbehave() {
    match words().1 {
        "loops" => crate::act::spin(),
        "hoards" => crate::act::hoard(),
        "recurses" => _ = crate::act::deeper(1),
        "traps" => panic!("on purpose"),
        "calls" => _ = clock::now(),
        "logs" => loop {
            log::log(log::Level::Error, &"flood ".repeat(1_000));
        },
        _ => {}
    }
}

/// The description as this copy would have it.
pub fn lie(honest: Description) -> Description {
    const ESCAPE: &str = "a\u{1b}[2J\nb";
    let timer = |name: &str, cron: &str| Timer { name: name.into(), cron: cron.into() };
    let asks = |path: &str| permission("b1", Method::Get, path, "test");
    let also = |permission: Permission| [honest.permissions.clone(), vec![permission]].concat();
    match words().1 {
        "topics" => Description { topics: vec![String::new(); 1_000_000], ..honest },
        "title" => Description { title: "x".repeat(20 << 20), ..honest },
        "permissions" => Description { permissions: vec![asks("/Items"); 100_000], ..honest },
        "twins" => Description { timers: vec![timer("t", "0 * * * *"); 2], ..honest },
        "often" => Description { timers: vec![timer("t", "* * * * * *")], ..honest },
        "never" => Description { timers: vec![timer("t", "0 0 30 2 *")], ..honest },
        "escape-title" => Description { title: ESCAPE.into(), ..honest },
        "escape-version" => Description { version: ESCAPE.into(), ..honest },
        "escape-topic" => Description { topics: vec![ESCAPE.into()], ..honest },
        "escape-reason" => {
            let permissions = also(permission("b1", Method::Get, "/Items", ESCAPE));
            Description { permissions, ..honest }
        }
        "escape-timer" => Description { timers: vec![timer(ESCAPE, "0 * * * *")], ..honest },
        "climbs" => Description { permissions: also(asks("/Items/../Users")), ..honest },
        "packs" => Description { permissions: also(asks("/$batch")), ..honest },
        "wildcard" => Description { permissions: also(asks("/*/../..")), ..honest },
        "deep" => Description { settings_schema: "{\"a\":".repeat(80_000), ..honest },
        "explodes" => {
            let properties: Vec<String> = (0..9_000).map(|n| format!("\"p{n}\":{{\"enum\":[1,2,3]}}")).collect();
            let schema = format!("{{\"properties\":{{{}}},\"required\":[\"p1\"]}}", properties.join(","));
            Description { settings_schema: schema, ..honest }
        }
        "mapping" => {
            Description { default_mapping: format!("version = 1\n[header]\nA = '{}'\n", "(".repeat(400_000)), ..honest }
        }
        "greedy" => Description { batch: u32::MAX, concurrency: u32::MAX, ..honest },
        "modest" => {
            let own = [(Method::Put, "/links/own"), (Method::Post, "/events/*")];
            let own = own.map(|(method, path)| permission("tandem", method, path, "test"));
            Description { permissions: [honest.permissions, own.into()].concat(), ..honest }
        }
        _ => honest,
    }
}
