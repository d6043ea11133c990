//! `tandem init`: each answer is tried when it is given, what was tried is kept, and a file of answers says the same without a question.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tandem_e2e::{Setup, World, root};

/// A machine where only the host's own address is known: the world's company and org are to be set up.
async fn bare() -> Result<(World, String)> {
    let world = World::with(Setup { tls: true, init: false, ..Setup::default() }).await?;
    let file = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&file)?;
    let host = text.split("[b1.erp]").next().context("the host's section")?.to_owned();
    std::fs::write(&file, &host)?;
    let pem = std::fs::read_to_string(world.folder().join("b1.server.pem"))?;
    Ok((world, crate::commands::fingerprint(&pem)))
}

fn answers(world: &World, b1: &str) -> String {
    format!(
        "[b1]\nurl = \"{}/b1s/v2\"\n{b1}\ncompany = \"SBODEMO\"\nuser = \"tandem\"\npassword = {{ file = \"b1.password\" }}\ntime_zone = \"Europe/Berlin\"\n\
         [salesforce]\nlogin_url = \"{}\"\npubsub_url = \"{}\"\nclient_id = \"tandem\"\nclient_secret = {{ file = \"salesforce.secret\" }}\n\
         [flows]\non = [\"orders\", \"inventory\"]\n[flows.orders]\nbranch = 2\nwarehouse = \"02\"\n\
         [flows.inventory]\nwarehouses = [\"01\"]\ngrant = true\n",
        world.b1, world.salesforce, world.pubsub
    )
}

#[tokio::test]
async fn a_file_of_answers_sets_all_up_and_what_is_wrong_in_it_names_its_key() -> Result<()> {
    let (mut world, fingerprint) = bare().await?;
    let before = std::fs::read_to_string(world.folder().join("tandem.toml"))?;
    let file = world.folder().join("answers.toml");
    let plugins = root().join("plugins/target/wasm32-unknown-unknown/release");
    let arguments =
        ["init", "--answers", &file.display().to_string(), "--plugins-from", &plugins.display().to_string()]
            .map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    for (b1, words) in [
        // Nobody has trusted the server's certificate.
        ("", vec!["b1.pin_sha256", fingerprint.as_str()]),
        ("ca_file = \"nowhere.pem\"", vec!["nowhere.pem"]),
        // Told before anything is asked of anybody, each with what was meant.
        (
            "pin = \"ab\"\nuzer = \"x\"",
            vec!["nothing asks for b1.pin;", "nothing asks for b1.uzer; did you mean b1.user?"],
        ),
        ("name = \"../erp\"", vec!["b1.name", "has no '/'"]),
    ] {
        std::fs::write(&file, answers(&world, b1))?;
        let (code, output, errors) = world.tandem_raw(&arguments).await?;
        assert_ne!(code, 0, "{output}");
        for word in words {
            assert!(errors.contains(word), "{word}: {errors}");
        }
        assert_eq!(std::fs::read_to_string(world.folder().join("tandem.toml"))?, before, "nothing is written");
    }
    let good = answers(&world, &format!("pin_sha256 = \"{fingerprint}\""));
    std::fs::write(&file, good.replace("client_id = \"tandem\"", "client_id = \"nobody\""))?;
    let (code, _, errors) = world.tandem_raw(&arguments).await?;
    assert!(code != 0 && errors.contains("salesforce.client_id"), "{errors}");
    let kept = std::fs::read_to_string(world.folder().join("tandem.toml"))?;
    assert!(kept.contains("[b1.erp]") && kept.contains(&fingerprint) && !kept.contains("[salesforce"), "{kept}");
    // An address at which nobody is, is not the secret's fault.
    std::fs::write(&file, good.replace(&world.salesforce, "http://127.0.0.1:9"))?;
    let (code, _, errors) = world.tandem_raw(&arguments).await?;
    assert!(code != 0 && errors.contains("salesforce.login_url") && !errors.contains("client_secret"), "{errors}");
    // It goes on where it was.
    std::fs::write(&file, good.replace("[\"01\"]", "[\"99\"]"))?;
    let (code, output, errors) = world.tandem_raw(&arguments).await?;
    assert!(output.contains("[b1.erp] is there") && output.contains("[salesforce.crm] is written"), "{output}{errors}");
    assert!(code != 0 && errors.contains("flows.inventory.warehouses") && errors.contains("01"), "{errors}");
    std::fs::write(&file, &good)?;
    let output = world.tandem(&arguments).await?;
    assert!(output.contains("active flows: inventory, orders"), "{output}");
    // What the settings name is held against B1's own list.
    let config = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, text.replace("warehouses = [\"01\"]", "warehouses = [\"99\"]"))?;
    let (code, checked, _) = world.tandem_raw(&["check"]).await?;
    assert!(code == 3 && checked.contains("B1 has no such entry; there are 01, 02"), "{checked}");
    std::fs::write(&config, text)?;
    // The same again changes nothing and complains of nothing; what would be otherwise is told.
    let (code, _, errors) = world.tandem_raw(&arguments).await?;
    assert!(code == 0 && !errors.contains("was not asked for"), "{errors}");
    std::fs::write(&file, good.replace("user = \"tandem\"", "user = \"manager\""))?;
    let (code, _, errors) = world.tandem_raw(&arguments).await?;
    assert!(code == 0 && errors.contains("b1.user = manager was not asked for: tandem.toml has tandem"), "{errors}");
    let mapping = std::fs::read_to_string(world.folder().join("orders.mapping.toml"))?;
    assert!(mapping.contains("BPL_IDAssignedToInvoice = \"2\"") && mapping.contains("NumAtCard"), "{mapping}");
    let kept = std::fs::read_to_string(world.folder().join("tandem.toml"))?;
    assert!(kept.contains("warehouses = [\"01\"]") && !kept.contains("tandem-secret"), "{kept}");
    world.up().await?;
    let ids = world.opportunities(1).await?;
    world.win(&ids[0]).await?;
    let told = world.until_state(&ids[0], "Synced").await?;
    assert!(told["Tandem_Order_Number__c"].is_string(), "{told}");
    Ok(())
}

#[cfg(unix)]
mod at_a_terminal {
    use std::process::Stdio;

    use tandem_e2e::programs;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::process::{Child, ChildStdin, ChildStdout, Command};

    use super::*;

    const UP: &str = "\u{1b}[A";
    const CTRL_C: &str = "\u{3}";

    /// A person before a terminal.
    struct Terminal {
        child: Child,
        keys: ChildStdin,
        screen: ChildStdout,
        shown: String,
    }

    impl Terminal {
        fn init(world: &World) -> Result<Self> {
            let (tandem, config) = (programs().join("tandem"), world.folder().join("tandem.toml"));
            let command = format!("'{}' --config '{}' init", tandem.display(), config.display());
            let mut child = Command::new("script")
                .args(["-qec", &command, "/dev/null"])
                .env("TERM", "xterm")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            let (keys, screen) = (child.stdin.take().context("keys")?, child.stdout.take().context("screen")?);
            Ok(Self { child, keys, screen, shown: String::new() })
        }

        /// Waits for words that were not there at the last answer.
        async fn until(&mut self, words: &str) -> Result<()> {
            let mut bytes = [0; 4096];
            while !self.shown.contains(words) {
                let read = tokio::time::timeout(Duration::from_secs(60), self.screen.read(&mut bytes)).await;
                let read = read.with_context(|| format!("{words} in\n{}", self.shown))??;
                ensure!(read > 0, "it ended before {words}:\n{}", self.shown);
                self.shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
            Ok(())
        }

        async fn answers(&mut self, question: &str, keys: &str) -> Result<()> {
            self.until(question).await?;
            self.listens().await?;
            self.shown.clear();
            self.keys.write_all(keys.as_bytes()).await?;
            Ok(self.keys.flush().await?)
        }

        /// The question is drawn before its keys are read, and a hidden answer throws away what was typed before: nobody types that fast.
        async fn listens(&self) -> Result<()> {
            let pid = self.child.id().context("it ended")?;
            let shell = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
            let own = format!("/proc/{}/fd/0", shell.trim());
            for _ in 0..600 {
                let set = Command::new("stty").args(["-a", "-F", &own]).output().await?;
                if String::from_utf8_lossy(&set.stdout).split_whitespace().any(|word| word == "-echo") {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            anyhow::bail!("nothing reads the answer to\n{}", self.shown)
        }

        async fn ended(&mut self) -> Result<()> {
            tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await??;
            Ok(())
        }
    }

    #[tokio::test]
    async fn each_answer_is_tried_and_who_breaks_off_goes_on_there() -> Result<()> {
        let (world, fingerprint) = bare().await?;
        let file = world.folder().join("tandem.toml");
        let before = std::fs::read_to_string(&file)?;
        let mut person = Terminal::init(&world)?;
        person.answers("B1 connection be called", "\r").await?;
        person.answers("Service Layer address", "https://127.0.0.1:1/b1s/v2\r").await?;
        person.until("is the server up").await?;
        person.answers("Service Layer address", &format!("{}/b1s/v2\r", world.b1)).await?;
        person.until(&fingerprint).await?;
        person.answers("what now?", &format!("{UP}{UP}\r")).await?;
        person.answers("company database", "SBODEMO\r").await?;
        person.answers("B1 user", "tandem\r").await?;
        person.answers("its password", "mistyped\r").await?;
        person.answers("time zone", "Europe/Berlin\r").await?;
        person.until("asked again").await?;
        assert!(!person.shown.contains("mistyped"), "{}", person.shown);
        assert_eq!(std::fs::read_to_string(&file)?, before, "nothing is kept that did not hold");
        for question in ["Service Layer address", "company database", "B1 user"] {
            person.answers(question, "\r").await?;
        }
        person.answers("its password", "tandem\r").await?;
        person.answers("time zone", "\r").await?;
        person.until("[b1.erp] is written").await?;
        person.answers("make what is missing", "y").await?;
        person.until("user table TANDEM (the ledger that makes a second order impossible) made").await?;
        person.answers("Salesforce connection be called", CTRL_C).await?;
        person.ended().await?;
        let kept = std::fs::read_to_string(&file)?;
        assert!(kept.contains("[b1.erp]") && !kept.contains("[salesforce"), "{kept}");
        assert!(kept.contains("password = { file = \"secrets/erp.password\" }"), "{kept}");
        use std::os::unix::fs::PermissionsExt;
        let secret = world.folder().join("secrets/erp.password");
        assert_eq!(std::fs::metadata(&secret)?.permissions().mode() & 0o777, 0o600);

        let mut person = Terminal::init(&world)?;
        person.until("[b1.erp] is there").await?;
        person.answers("Salesforce connection be called", CTRL_C).await?;
        person.ended().await
    }
}
