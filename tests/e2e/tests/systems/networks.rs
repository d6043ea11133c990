//! Networks as they are on premises: a proxy on the way out, TLS opened at the border, a certificate known by its print.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use tandem_e2e::{Setup, World, programs};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(30);

/// An HTTP proxy that opens ways by `CONNECT`, and notes to where.
struct Proxy {
    address: String,
    opened: Arc<Mutex<BTreeSet<String>>>,
}

impl Proxy {
    /// Wants this `Proxy-Authorization`, when there is one.
    async fn start(wanted: Option<&'static str>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let opened = Arc::new(Mutex::new(BTreeSet::new()));
        let noted = opened.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, wanted, noted.clone()));
            }
        });
        Ok(Self { address, opened })
    }

    fn opened(&self, address: &str) -> bool {
        let place = address.trim_start_matches("https://");
        self.opened.lock().is_ok_and(|opened| opened.contains(place))
    }
}

async fn pass(mut client: TcpStream, wanted: Option<&'static str>, opened: Arc<Mutex<BTreeSet<String>>>) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned();
    let given = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .starts_with("proxy-authorization: ")
            .then(|| line["proxy-authorization: ".len()..].to_owned())
    });
    if given.as_deref() != wanted {
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await?;
        return Ok(());
    }
    let mut server = TcpStream::connect(&target).await?;
    if let Ok(mut opened) = opened.lock() {
        opened.insert(target);
    }
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// An org behind TLS of an authority of its own, and no flows: the host is ready when its event stream stands.
async fn org_over_tls() -> Result<(World, TempDir)> {
    let folder = tempfile::tempdir()?;
    let authority = folder.path().join("authority.pem").display().to_string();
    let setup = Setup {
        init: false,
        plugins: Vec::new(),
        more: "[flows]\n".into(),
        salesforce: "client_secret = { file = \"salesforce.secret\" }\n# network".into(),
        salesforce_arguments: vec!["--tls-certificate".into(), authority],
        ..Setup::default()
    };
    Ok((World::with(setup).await?, folder))
}

fn configure(world: &World, network: &str) -> Result<()> {
    let path = world.folder().join("tandem.toml");
    let plain = std::fs::read_to_string(&path)?;
    std::fs::write(&path, plain.replace("# network", network))?;
    Ok(())
}

fn fingerprint(folder: &TempDir) -> Result<String> {
    use rustls::pki_types::pem::PemObject;
    let pem = std::fs::read(folder.path().join("authority.server.pem"))?;
    let certificate = rustls::pki_types::CertificateDer::from_pem_slice(&pem)?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &certificate);
    Ok(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_and_events_go_through_the_proxy_with_its_password_and_trust_the_pinned_certificate() -> Result<()> {
    let proxy = Proxy::start(Some("Basic dGFuZGVtOnBAc3M6d29yZA==")).await?;
    let (mut world, folder) = org_over_tls().await?;
    std::fs::write(world.folder().join("proxy.password"), "wrong")?;
    let own = format!(
        "tls = {{ pin_sha256 = \"{}\" }}\nproxy = {{ url = \"{}\", user = \"tandem\", password = {{ file = \"proxy.password\" }} }}",
        fingerprint(&folder)?,
        proxy.address
    );
    configure(&world, &own)?;
    world.start()?;
    let refused = async |world: &World| Ok(world.log().to_lowercase().contains("proxy auth").then_some(()));
    world.until("the proxy's refusal to be told", PATIENCE, refused).await?;
    assert!(!world.log().contains("wrong"), "no password in the log");
    world.kill().await?;
    std::fs::write(world.folder().join("proxy.password"), "p@ss:word\n")?;
    world.up().await?;
    assert!(proxy.opened(&world.salesforce), "REST");
    assert!(proxy.opened(&world.pubsub), "events");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_without_a_password_carries_both_too() -> Result<()> {
    let proxy = Proxy::start(None).await?;
    let (mut world, folder) = org_over_tls().await?;
    let authority = folder.path().join("authority.pem").display().to_string();
    configure(&world, &format!("tls = {{ ca_file = {authority:?} }}\nproxy = {{ url = \"{}\" }}", proxy.address))?;
    world.up().await?;
    assert!(proxy.opened(&world.salesforce) && proxy.opened(&world.pubsub));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_is_down_is_told_as_the_proxy_and_not_as_salesforce() -> Result<()> {
    let (world, folder) = org_over_tls().await?;
    let gone = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let authority = folder.path().join("authority.pem").display().to_string();
    configure(&world, &format!("tls = {{ ca_file = {authority:?} }}\nproxy = {{ url = \"http://{gone}\" }}"))?;
    let (code, output, _) = world.tandem_raw(&["--json", "check"]).await?;
    assert_eq!(code, 3);
    let findings: serde_json::Value = serde_json::from_str(&output)?;
    let found = findings.as_array().into_iter().flatten().find(|finding| finding["what"] == "connection crm");
    let told = found.map(ToString::to_string).unwrap_or_default();
    assert!(told.contains(&format!("the proxy http://{gone} is not reached")), "{told}");
    assert!(told.contains("check proxy of this section"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_operating_system_trusts_is_trusted_for_rest_and_events() -> Result<()> {
    let (world, folder) = org_over_tls().await?;
    let log = std::fs::File::create(world.folder().join("host.log"))?;
    let _host = tokio::process::Command::new(programs().join("tandem"))
        .arg("--config")
        .arg(world.folder().join("tandem.toml"))
        .args(["--log-json", "run"])
        // Where the system's own store is on this machine.
        .env("SSL_CERT_FILE", folder.path().join("authority.pem"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?;
    world.ready(PATIENCE).await
}
