//! The host speaks TLS itself: to browsers, scripts and webhooks alike.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Certificate, Client};
use serde_json::json;
use tandem_e2e::{Setup, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A new certificate in the folder, as renewed by whoever keeps it.
fn renewed(folder: &Path) -> Result<Certificate> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    std::fs::write(folder.join("tandem.pem"), made.cert.pem())?;
    std::fs::write(folder.join("tandem.key"), made.signing_key.serialize_pem())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder.join("tandem.key"), std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(Certificate::from_pem(made.cert.pem().as_bytes())?)
}

fn client(trusted: Certificate) -> Result<Client> {
    Ok(Client::builder().tls_certs_only([trusted]).timeout(Duration::from_secs(20)).no_proxy().build()?)
}

async fn is_reached(client: &Client, address: &str) -> bool {
    client.get(format!("{address}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success())
}

#[tokio::test]
async fn a_host_with_a_certificate_speaks_tls_alone_and_takes_up_a_renewed_one() -> Result<()> {
    let mut world = World::new().await?;
    let first = client(renewed(world.folder())?)?;
    let file = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&file)?;
    let with = text.replace("[host]\n", "[host]\ntls = { certificate = \"tandem.pem\", key = \"tandem.key\" }\n");
    std::fs::write(&file, with)?;
    let address = world.console.replace("http://", "https://");
    world.start()?;
    let up = world
        .until("the host", Duration::from_secs(30), async |_: &World| {
            Ok(is_reached(&first, &address).await.then_some(()))
        })
        .await;
    up?;
    // A request of plain HTTP is answered shortly, with what to do.
    let place = world.console.trim_start_matches("http://").to_owned();
    let mut plain = TcpStream::connect(&place).await?;
    plain.write_all(format!("GET / HTTP/1.1\r\nHost: {place}\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(5), plain.read_to_string(&mut answer)).await??;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
    // Who holds connections open without a word keeps nobody out.
    let mut silent = Vec::new();
    for _ in 0..600 {
        silent.push(TcpStream::connect(&place).await?);
    }
    let fresh = tokio::time::timeout(
        Duration::from_secs(5),
        is_reached(&client(Certificate::from_pem(&std::fs::read(world.folder().join("tandem.pem"))?)?)?, &address),
    )
    .await;
    assert!(fresh.is_ok_and(|reached| reached), "others wait for them");
    drop(silent);
    let made = world.tandem_json(&["account", "add", "boss", "--role", "admin"]).await?;
    let body = json!({ "name": "boss", "password": made["password"] }).to_string();
    let answer = first
        .post(format!("{address}/api/v1/session"))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await?;
    let cookie = answer.headers().get("set-cookie").context("a cookie")?.to_str()?.to_owned();
    let (pair, rest) = cookie.split_once(';').context("attributes")?;
    let value = pair.strip_prefix("__Host-tandem_session=").context("a name that only this host can set")?;
    assert!(answer.status() == 200 && rest.contains("Path=/;") && rest.ends_with("; Secure"), "{cookie}");
    assert!(!rest.contains("Domain"), "{cookie}");
    // A cookie that a site above could have planted lets nobody in.
    for (name, status) in [("__Host-tandem_session", 200), ("tandem_session", 401)] {
        let asked = first.get(format!("{address}/api/v1/session")).header("cookie", format!("{name}={value}"));
        assert_eq!(asked.send().await?.status(), status, "{name}");
    }
    let check = world.tandem_raw(&["check"]).await?.1;
    assert!(check.contains("[host] tls") && check.contains("holds until"), "{check}");
    // A key that does not fit changes nothing; then both fit.
    std::fs::write(world.folder().join("tandem.key"), rcgen::KeyPair::generate()?.serialize_pem())?;
    let check = world.tandem_raw(&["check"]).await?.1;
    assert!(check.contains("is not that of the certificate"), "{check}");
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(is_reached(&first, &address).await);
    let second = client(renewed(world.folder())?)?;
    world
        .until("the renewed certificate", Duration::from_secs(40), async |_: &World| {
            Ok(is_reached(&second, &address).await.then_some(()))
        })
        .await?;
    world.stop().await
}

#[tokio::test]
async fn a_host_whose_certificate_cannot_be_used_does_not_start_and_says_why() -> Result<()> {
    let world = World::with(Setup { init: false, plugins: Vec::new(), ..Setup::default() }).await?;
    let file = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(
        &file,
        text.replace("[host]\n", "[host]\ntls = { certificate = \"none.pem\", key = \"none.key\" }\n"),
    )?;
    let (code, _, told) = world.tandem_raw(&["run"]).await?;
    assert!(code != 0 && told.contains("none.pem") && told.contains("[host] tls"), "{told}");
    Ok(())
}
