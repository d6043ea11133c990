//! E-mail: the way to the server, with the host's own proxy and trust, is made here; what is said on it is lettre's.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::{Fault, Going, Sent, Unsent, said};
use crate::alerts::mailbox::Missed;
use crate::alerts::words::Message;
use crate::config::{ChannelConfig, Encryption};
use crate::connections::dial::{Dialer, Stream};
use crate::connections::proxy::Proxies;

/// Bytes of what a server says before it is encrypted.
const MOST_REPLY: usize = 16 << 10;
/// What looks through a mail before it takes it answers late: who goes sooner has it sent twice. Source: RFC 5321, 4.5.3.2.6.
const AT_THE_END: Duration = Duration::from_secs(600);
/// How long a server may take to let us go.
const GOOD_BYE: Duration = Duration::from_secs(5);

/// Sends a message; `only`: to these alone.
pub async fn send(
    channel: &ChannelConfig,
    base: &Path,
    message: &Message,
    only: Option<&[String]>,
    going: Arc<dyn Going>,
) -> Result<Sent, Unsent> {
    let mail = compose(channel, message)?;
    let patience = Duration::from_secs(channel.timeout_seconds);
    let is_meant = |to: &&Address| only.is_none_or(|only| only.contains(&to.to_string()));
    let to: Vec<Address> = mail.envelope().to().iter().filter(is_meant).cloned().collect();
    if to.is_empty() {
        return Ok(Sent { says: "none of them is in `to` any more".into(), missed: None });
    }
    let slow = |_| Err(Unsent::slow(patience));
    let (mut connection, offered) = timeout(patience, offer(channel, base, &mail, to)).await.unwrap_or_else(slow)?;
    let sent = hand_over(&mut connection, &mail, patience, going.as_ref()).await;
    // What was said is said: that the server does not let us go changes nothing of it.
    let left = async {
        match &sent {
            Ok(_) => drop(connection.quit().await),
            Err(_) => connection.abort().await,
        }
    };
    let _ = timeout(GOOD_BYE, left).await;
    let answer = sent?;
    let missed = offered.missed();
    let words = missed.iter().flat_map(|missed| [Some(&missed.why), missed.never.as_ref()]).flatten();
    let words: Vec<&str> = words.map(String::as_str).filter(|words| !words.is_empty()).collect();
    let not_taken = if words.is_empty() { String::new() } else { format!("; not taken: {}", words.join("; ")) };
    Ok(Sent { says: said(&format!("{answer}{not_taken}")), missed })
}

/// Who is to have the mail, as the server took it.
#[derive(Default)]
struct Offered {
    /// Not for now, and what was said.
    later: Vec<(String, String)>,
    /// Never.
    never: Vec<String>,
}

impl Offered {
    fn missed(self) -> Option<Missed> {
        let (later, why): (Vec<String>, Vec<String>) = self.later.into_iter().unzip();
        let never = (!self.never.is_empty()).then(|| said(&self.never.join("; ")));
        (!later.is_empty() || never.is_some()).then(|| Missed { later, why: said(&why.join("; ")), never })
    }
}

/// What the machine calls itself.
fn host_name() -> String {
    let fit = |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
    whoami::hostname().ok().filter(fit).unwrap_or_else(|| "localhost".into())
}

fn of(fault: Fault, error: &SmtpError) -> Unsent {
    let says = crate::connections::transport::chain(error);
    // What the server did not answer at all is no refusal.
    let fault = if error.status().is_some() || error.is_client() { fault } else { Fault::of(&says) };
    Unsent::new(fault, says)
}

fn compose(channel: &ChannelConfig, message: &Message) -> Result<Mail, Unsent> {
    let unfit = |why: &dyn fmt::Display| Unsent::new(Fault::Recipient, why);
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|e| unfit(&format_args!("{text}: {e}")));
    let from = mailbox(channel.from.as_deref().unwrap_or_default())?;
    let id = format!("<{}@{}>", message.id, host_name());
    let mut mail =
        Mail::builder().from(from).subject(&message.subject).header(ContentType::TEXT_PLAIN).message_id(Some(id));
    for to in &channel.to {
        mail = mail.to(mailbox(to)?);
    }
    // No answer that says that somebody is away. Source: RFC 3834.
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    let mail = mail.date_now().raw_header(HeaderValue::new(automatic, "auto-generated".into()));
    mail.body(plain(message)).map_err(|e| unfit(&e))
}

/// As a person reads it in any program.
fn plain(message: &Message) -> String {
    let mut all = Vec::new();
    for line in &message.lines {
        let mut text = line.title.clone();
        let rest = [line.text.as_str(), line.mend.as_str(), line.link.as_deref().unwrap_or_default()];
        for part in rest.into_iter().filter(|part| !part.is_empty()).flat_map(str::lines) {
            text.push_str("\n  ");
            text.push_str(part);
        }
        all.push(text);
    }
    all.push(String::new());
    all.join("\n\n")
}

async fn connect(channel: &ChannelConfig, base: &Path, name: &str) -> Result<Line, Unsent> {
    let Some((host, port)) = channel.mail_server() else {
        return Err(Unsent::new(Fault::UnknownHost, "the channel names no server"));
    };
    let scheme = if channel.encryption == Encryption::None { "http" } else { "https" };
    let proxies = Proxies::new(channel.proxy.as_ref(), base, Proxies::Direct)?;
    let dialer = Dialer::plain(&format!("{scheme}://{host}:{port}"), &channel.tls, &proxies, base);
    let dialer = dialer.map_err(|why| Unsent::new(Fault::Certificate, why))?;
    let mut stream = dialer.open().await.map_err(Unsent::connecting)?;
    let mut ahead: &[u8] = b"";
    if channel.encryption == Encryption::Starttls {
        start_tls(&mut stream, name).await?;
        // Behind it the server greets no more.
        ahead = b"220 encrypted\r\n";
    }
    let stream = dialer.secure(stream).await.map_err(Unsent::connecting)?;
    Ok(Line { ahead, stream })
}

/// In the open nothing is said but who speaks, and that it is to be encrypted. Source: RFC 3207.
async fn start_tls(stream: &mut Box<dyn Stream>, name: &str) -> Result<(), Unsent> {
    expect(stream, "220").await?;
    say(stream, &format!("EHLO {name}\r\n")).await?;
    let offers = expect(stream, "250").await?;
    if !offers.lines().any(|line| line.get(4..).is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS"))) {
        return Err(Unsent::new(Fault::NoEncryption, "the server offers no STARTTLS"));
    }
    say(stream, "STARTTLS\r\n").await?;
    expect(stream, "220").await.map(drop)
}

async fn say(stream: &mut Box<dyn Stream>, text: &str) -> Result<(), Unsent> {
    stream.write_all(text.as_bytes()).await.map_err(Unsent::connecting)?;
    stream.flush().await.map_err(Unsent::connecting)
}

/// One reply, which may have many lines. Byte by byte: what follows belongs to the encryption.
async fn expect(stream: &mut Box<dyn Stream>, code: &str) -> Result<String, Unsent> {
    let mut reply = Vec::new();
    loop {
        let begun = reply.len();
        while !reply[begun..].ends_with(b"\n") {
            if reply.len() >= MOST_REPLY {
                return Err(Unsent::new(Fault::Refused, "what the server says does not end"));
            }
            reply.push(stream.read_u8().await.map_err(Unsent::connecting)?);
        }
        // `250-more`, `250 last`
        if reply.get(begun + 3) != Some(&b'-') {
            break;
        }
    }
    let reply = String::from_utf8_lossy(&reply).into_owned();
    if reply.starts_with(code) { Ok(reply) } else { Err(Unsent::new(Fault::Refused, reply)) }
}

/// All that is said before the mail itself.
async fn offer(
    channel: &ChannelConfig,
    base: &Path,
    mail: &Mail,
    to: Vec<Address>,
) -> Result<(AsyncSmtpConnection, Offered), Unsent> {
    let name = host_name();
    let stream = connect(channel, base, &name).await?;
    let hello = ClientId::Domain(name);
    let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello)
        .await
        .map_err(|e| of(Fault::Refused, &e))?;
    if let (Some(user), Some(password)) = (&channel.user, &channel.password) {
        let credentials = Credentials::new(user.clone(), password.read(base)?.reveal().to_owned());
        connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(|e| of(Fault::SignIn, &e))?;
    }
    let from = MailFrom::new(mail.envelope().from().cloned(), Vec::new());
    connection.command(from).await.map_err(|e| of(Fault::Sender, &e))?;
    // Who is not taken keeps nobody else from being told.
    let (mut taken, mut offered) = (0, Offered::default());
    for to in to {
        match connection.command(Rcpt::new(to.clone(), Vec::new())).await {
            Ok(_) => taken += 1,
            Err(error) if error.is_transient() => {
                offered.later.push((to.to_string(), said(&format!("{to}: {error}"))));
            }
            Err(error) if error.status().is_some() => offered.never.push(said(&format!("{to}: {error}"))),
            Err(error) => return Err(of(Fault::Recipient, &error)),
        }
    }
    if taken == 0 {
        let said = offered.later.into_iter().map(|(_, said)| said).chain(offered.never);
        return Err(Unsent::new(Fault::Recipient, said.collect::<Vec<_>>().join("; ")));
    }
    Ok((connection, offered))
}

/// The mail itself; what the server said to it.
async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    mail: &Mail,
    patience: Duration,
    going: &dyn Going,
) -> Result<String, Unsent> {
    if !going.goes().await {
        return Err(Unsent::new(Fault::NotReached, "it is not to be sent any more"));
    }
    let data = timeout(patience, connection.command(Data)).await.map_err(|_| Unsent::slow(patience))?;
    data.map_err(|e| of(Fault::Refused, &e))?;
    let sent = timeout(AT_THE_END, connection.message(&mail.formatted())).await;
    let answer = sent.map_err(|_| Unsent { unsure: true, ..Unsent::slow(AT_THE_END) })?;
    // Without an answer it may be on its way all the same.
    let answer = answer.map_err(|e| Unsent { unsure: e.status().is_none(), ..of(Fault::Refused, &e) })?;
    Ok(format!("{} {}", answer.code(), answer.message().collect::<Vec<_>>().join(" ")))
}

/// The way to the server, and what is read first.
struct Line {
    ahead: &'static [u8],
    stream: Box<dyn Stream>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl AsyncTokioStream for Line {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let ahead = self.ahead;
        let (now, later) = ahead.split_at(ahead.len().min(buf.remaining()));
        buf.put_slice(now);
        self.ahead = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::alerts::{AtOnce, channel::Withdrawn, words};
    use crate::config::Config;

    /// What is said to a server that offers `STARTTLS` or does not, in the open and then over TLS; its address and its certificate's fingerprint.
    async fn server(offers: bool) -> (SocketAddr, String, tokio::task::JoinHandle<String>) {
        crate::connections::transport::install_crypto();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pin = ring::digest::digest(&ring::digest::SHA256, made.cert.der());
        let pin: String = pin.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let chain = vec![made.cert.der().clone()];
        let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut heard = String::new();
            let mut open = BufReader::new(stream);
            open.write_all(b"220-two\r\n220 lines\r\n").await.unwrap();
            open.read_line(&mut heard).await.unwrap();
            let extension: &[u8] = if offers { b"250-x\r\n250 STARTTLS\r\n" } else { b"250 x\r\n" };
            open.write_all(extension).await.unwrap();
            if open.read_line(&mut heard).await.unwrap_or(0) == 0 || !heard.ends_with("STARTTLS\r\n") {
                return heard;
            }
            open.write_all(b"220 go on\r\n").await.unwrap();
            let Ok(stream) = TlsAcceptor::from(Arc::new(tls)).accept(open.into_inner()).await else { return heard };
            heard.push_str("-- TLS\n");
            let mut stream = BufReader::new(stream);
            let mut in_data = false;
            loop {
                let begun = heard.len();
                if stream.read_line(&mut heard).await.unwrap_or(0) == 0 {
                    return heard;
                }
                let line = heard[begun..].trim_end();
                let answer: &[u8] = match line {
                    "." => {
                        in_data = false;
                        b"250 queued\r\n"
                    }
                    _ if in_data => continue,
                    "DATA" => {
                        in_data = true;
                        b"354 go on\r\n"
                    }
                    _ if line.starts_with("EHLO") => b"250-x\r\n250 AUTH PLAIN\r\n",
                    _ if line.starts_with("AUTH") => b"235 welcome\r\n",
                    _ => b"250 ok\r\n",
                };
                stream.write_all(answer).await.unwrap();
                stream.flush().await.unwrap();
            }
        });
        (address, pin, served)
    }

    async fn sent(address: SocketAddr, pin: &str) -> Result<String, Unsent> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "geheim").unwrap();
        let text = format!(
            "[alerts.ops]\nkind = \"smtp\"\nserver = \"localhost:{}\"\nuser = \"u\"\npassword = {{ file = \"password\" }}\n\
             from = \"tandem@example.com\"\nto = [\"ops@example.com\"]\ntls = {{ pin_sha256 = \"{pin}\" }}\n",
            address.port()
        );
        let config = Config::parse(&text, &folder.path().join("tandem.toml")).unwrap();
        super::super::send(&config.alerts.channels["ops"], &config.base, &message(), None, Arc::new(AtOnce))
            .await
            .map(|sent| sent.says)
    }

    fn message() -> Message {
        let line = words::Line {
            title: "Die Prüfung".into(),
            text: "eins\nzwei".into(),
            mend: String::new(),
            link: None,
            news: None,
        };
        Message { id: "1".into(), subject: "Tandem: für alle".into(), lines: vec![line] }
    }

    /// A server on this machine that takes nobody at `gone.example`, nobody at `grey.example` for now, and answers a mail so late, or never. What it
    /// was told.
    async fn plain_server(late: Option<Duration>) -> (SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut stream, mut heard, mut in_data) = (BufReader::new(stream), String::new(), false);
            stream.write_all(b"220 here\r\n").await.unwrap();
            loop {
                let begun = heard.len();
                if stream.read_line(&mut heard).await.unwrap_or(0) == 0 {
                    return heard;
                }
                let answer: &[u8] = match heard[begun..].trim_end() {
                    "." => {
                        in_data = false;
                        let Some(late) = late else { return heard };
                        tokio::time::sleep(late).await;
                        b"250 queued\r\n"
                    }
                    _ if in_data => continue,
                    "DATA" => {
                        in_data = true;
                        b"354 go on\r\n"
                    }
                    // Good-bye is not answered.
                    "QUIT" => continue,
                    line if line.contains("@gone.example") => b"550 unknown\r\n",
                    line if line.contains("@grey.example") => b"451 later\r\n",
                    _ => b"250 ok\r\n",
                };
                stream.write_all(answer).await.unwrap();
            }
        });
        (address, served)
    }

    async fn sent_plainly(
        address: SocketAddr,
        to: &str,
        only: Option<&[String]>,
        going: Arc<dyn Going>,
    ) -> Result<Sent, Unsent> {
        let text = format!(
            "[alerts.ops]\nkind = \"smtp\"\nserver = \"{address}\"\nencryption = \"none\"\ntimeout_seconds = 1\n\
             from = \"tandem@example.com\"\nto = [{to}]\n"
        );
        let config = Config::parse(&text, Path::new("tandem.toml")).unwrap();
        super::super::send(&config.alerts.channels["ops"], &config.base, &message(), only, going).await
    }

    #[tokio::test]
    async fn who_takes_a_mail_late_has_it_and_who_does_not_take_it_now_is_told_apart_from_who_never_will() {
        let (address, _served) = plain_server(Some(Duration::from_millis(2_500))).await;
        let to = r#""ops@example.com", "a@gone.example", "b@grey.example""#;
        let sent = sent_plainly(address, to, None, Arc::new(AtOnce)).await.unwrap();
        let missed = sent.missed.unwrap();
        assert_eq!(missed.later, ["b@grey.example"]);
        assert!(missed.why.contains("451") && missed.never.is_some_and(|why| why.contains("550")), "{}", sent.says);
        let (address, served) = plain_server(Some(Duration::ZERO)).await;
        let sent = sent_plainly(
            address,
            r#""ops@example.com", "c@example.com""#,
            Some(&["c@example.com".into()]),
            Arc::new(AtOnce),
        )
        .await;
        assert_eq!(sent.unwrap(), Sent { says: "250 queued".into(), missed: None });
        let heard = served.await.unwrap();
        assert!(heard.contains("RCPT TO:<c@example.com>") && !heard.contains("RCPT TO:<ops@"), "{heard}");
    }

    #[tokio::test]
    async fn a_mail_without_an_answer_may_have_arrived_and_one_that_is_not_to_be_sent_does_not_go() {
        let (address, served) = plain_server(None).await;
        let unsent = sent_plainly(address, r#""ops@example.com""#, None, Arc::new(AtOnce)).await.unwrap_err();
        assert!(unsent.unsure && served.await.unwrap().ends_with(".\r\n"), "{unsent:?}");
        let (address, served) = plain_server(None).await;
        let unsent = sent_plainly(address, r#""ops@example.com""#, None, Arc::new(Withdrawn)).await.unwrap_err();
        assert!(!unsent.unsure && !served.await.unwrap().contains("DATA"), "{unsent:?}");
    }

    #[tokio::test]
    async fn nothing_but_a_greeting_is_said_before_the_way_is_encrypted() {
        let (address, pin, served) = server(true).await;
        assert_eq!(sent(address, &pin).await.unwrap(), "250 queued");
        let heard = served.await.unwrap();
        let (open, secured) = heard.split_once("-- TLS\n").unwrap();
        assert!(open.starts_with("EHLO ") && open.ends_with("STARTTLS\r\n") && open.lines().count() == 2, "{open}");
        for part in ["AUTH PLAIN", "MAIL FROM:<tandem@example.com>", "RCPT TO:<ops@example.com>", "QUIT"] {
            assert!(secured.contains(part), "{part}: {secured}");
        }
        assert!(secured.is_ascii(), "servers of all ages take it: {secured}");
    }

    #[tokio::test]
    async fn a_server_that_encrypts_nothing_or_is_another_one_hears_no_password() {
        let (address, pin, served) = server(false).await;
        assert_eq!(sent(address, &pin).await.unwrap_err().fault, Fault::NoEncryption);
        assert!(!served.await.unwrap().contains("AUTH"));
        let (address, _, served) = server(true).await;
        let unsent = sent(address, &"0".repeat(64)).await.unwrap_err();
        assert_eq!(unsent.fault, Fault::Certificate, "{unsent}");
        assert!(!served.await.unwrap().contains("AUTH"));
    }
}
