//! A mail server on loopback that keeps what it is given: as much of SMTP as a client says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// `AUTH PLAIN` of the user `tandem` with the password `mail-password`.
const KNOWN: &str = "AHRhbmRlbQBtYWlsLXBhc3N3b3Jk";

/// Gone with the value.
pub struct MailServer {
    /// Where it listens.
    pub address: SocketAddr,
    mails: Arc<Mutex<Vec<String>>>,
    ways: Arc<Ways>,
    serving: JoinHandle<()>,
}

/// How it takes mail, as a test says it.
#[derive(Default)]
struct Ways {
    /// Milliseconds before a mail is answered.
    late: AtomicU64,
    /// So many more times whoever is at `grey.example` is to come again.
    grey: AtomicU64,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl MailServer {
    /// Takes mail for whomever but those at `elsewhere.example`, and those at `grey.example` the second time, from whomever but those at `nobody.example`.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mails: Arc<Mutex<Vec<String>>> = Arc::default();
        let ways = Arc::new(Ways { grey: AtomicU64::new(1), ..Ways::default() });
        let (kept, own) = (mails.clone(), ways.clone());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, kept.clone(), own.clone()));
            }
        });
        Ok(Self { address, mails, ways, serving })
    }

    /// From now on a mail is kept and answered only after that.
    pub fn answers_after(&self, late: Duration) {
        self.ways.late.store(late.as_millis() as u64, Ordering::Relaxed);
    }

    /// What was sent, headers unfolded.
    pub fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Subjects of those that have a word in it.
    pub fn subjects(&self, word: &str) -> Vec<String> {
        let subject = |mail: &String| mail.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned));
        self.mails().iter().filter_map(subject).filter(|subject| subject.contains(word)).collect()
    }
}

async fn converse(stream: TcpStream, mails: Arc<Mutex<Vec<String>>>, ways: Arc<Ways>) -> Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mail.example ESMTP\r\n").await?;
    let mut is_known = false;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let said = line.trim_end();
        let answer = match said.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => "250-mail.example\r\n250 AUTH PLAIN",
            "AUTH" if said.ends_with(KNOWN) => {
                is_known = true;
                "235 2.7.0 welcome"
            }
            "AUTH" => "535 5.7.8 Authentication credentials invalid",
            "MAIL" if !is_known => "530 5.7.0 Authentication required",
            "MAIL" if said.contains("@nobody.example") => "553 5.7.1 Sender address rejected: not owned by user",
            "RCPT" if said.contains("@elsewhere.example") => "550 5.7.1 Relay access denied",
            "RCPT" if said.contains("@grey.example") && comes_again(&ways.grey) => "451 4.7.1 Greylisted, come again",
            "MAIL" | "RCPT" | "RSET" => "250 2.1.0 Ok",
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while stream.read_line(&mut mail).await? > 0 && !mail.ends_with("\r\n.\r\n") {}
                let mail = mail.replace("\r\n ", " ").replace("\r\n", "\n");
                mails.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
                tokio::time::sleep(Duration::from_millis(ways.late.load(Ordering::Relaxed))).await;
                "250 2.0.0 Ok: queued as 4711"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "500 5.5.2 what?",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

fn comes_again(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}
