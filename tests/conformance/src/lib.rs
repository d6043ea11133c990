//! Both simulators over TLS, as the real services are, and the programs that other people's clients run in.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tandem_e2e::{root, simulator};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A simulator that serves TLS with a CA of its own.
pub struct Service {
    folder: TempDir,
    _child: Child,
    /// `https://127.0.0.1:…`; for Salesforce REST first, then the Pub/Sub API.
    pub addresses: Vec<String>,
}

impl Service {
    /// The B1 simulator.
    pub async fn b1() -> Result<Self> {
        Self::start("tandem-sim-b1", &["--listen", "127.0.0.1:0"], 1).await
    }

    /// The Salesforce simulator.
    pub async fn salesforce() -> Result<Self> {
        let package = root().join("salesforce-package/force-app/main/default").display().to_string();
        let key = root().join("tests/e2e/fixtures/jwt-test.pub.der").display().to_string();
        let arguments = [
            "--listen",
            "127.0.0.1:0",
            "--listen-pubsub",
            "127.0.0.1:0",
            "--package",
            &package,
            "--jwt-public-key",
            &key,
            // Other people's clients look at what the package's sets do not give, too.
            "--permission-sets",
            "",
        ];
        Self::start("tandem-sim-salesforce", &arguments, 2).await
    }

    /// What TLS clients of this process use; a second time changes nothing.
    pub fn choose_cryptography() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }

    async fn start(name: &str, arguments: &[&str], addresses: usize) -> Result<Self> {
        Self::choose_cryptography();
        let folder = tempfile::tempdir()?;
        let certificate = folder.path().join("ca.pem").display().to_string();
        let mut all: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        all.extend(["--tls-certificate".to_owned(), certificate]);
        let (child, addresses) = simulator(name, &all, &folder.path().join("address"), addresses).await?;
        Ok(Self { folder, _child: child, addresses })
    }

    /// The CA's certificate, PEM.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// An HTTP client that trusts the CA.
    pub fn client(&self) -> Result<reqwest::Client> {
        use rustls::pki_types::pem::PemObject;
        let mut roots = rustls::RootCertStore::empty();
        for certificate in rustls::pki_types::CertificateDer::pem_file_iter(self.authority())? {
            roots.add(certificate?)?;
        }
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(reqwest::Client::builder().no_proxy().tls_backend_preconfigured(config).build()?)
    }

    /// A token of the integration user, and an id of the org.
    pub async fn token(&self) -> Result<String> {
        let form = "grant_type=client_credentials&client_id=tandem&client_secret=tandem-secret";
        let address = format!("{}/services/oauth2/token", self.addresses[0]);
        let text = self.client()?.post(address).body(form).send().await?.text().await?;
        let body: Value = serde_json::from_str(&text)?;
        Ok(body["access_token"].as_str().context("no token")?.to_owned())
    }
}

/// Where `scripts/setup-tests.sh` puts the clients.
fn tools() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/tandem");
    std::env::var_os("TANDEM_TOOLS").map_or_else(home, PathBuf::from).join("conformance")
}

/// The published protocol of the Pub/Sub API, as one of the clients brings it.
pub fn protocol() -> PathBuf {
    tools().join("node/node_modules/salesforce-pubsub-api-client/pubsub_api.proto")
}

/// Runs a file of Python tests; prints what it said, and fails when one of them did or none was found.
pub async fn python(file: &str, environment: &[(&str, &str)]) -> Result<()> {
    python_of("venv", file, environment).await
}

/// The same with the packages of another folder.
pub async fn python_of(folder: &str, file: &str, environment: &[(&str, &str)]) -> Result<()> {
    let script = root().join("tests/conformance/python").join(file);
    let output = Command::new(tools().join(folder).join("bin/python"))
        .arg(script)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .await
        .context("the Python clients are missing: run `make setup-tests`")?;
    let said = said(&output);
    if !output.status.success() || !said.contains("\nOK") || said.contains("Ran 0 tests") {
        bail!("{file} failed:\n{said}");
    }
    Ok(())
}

/// Holds an API against its own OpenAPI document, at its address below `base`, with a token; fails where one does not say what the other does.
pub async fn schemathesis(base: &str, token: &str, arguments: &[&str]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let output = Command::new(tools().join("api/bin/schemathesis"))
        .args(["run", &format!("{base}/openapi.json"), "-H", &format!("Authorization: Bearer {token}"), "--no-color"])
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .await
        .context("Schemathesis is missing: run `make setup-tests`")?;
    if !output.status.success() {
        bail!("the API and its document differ:\n{}", said(&output));
    }
    Ok(())
}

/// Runs a Node script that prints a line `ok - …` for each step.
pub async fn node(file: &str, environment: &[(&str, &str)]) -> Result<()> {
    // Beside its node_modules: that is where Node looks for packages.
    let folder = tools().join("node");
    let script = folder.join(file);
    tokio::fs::copy(root().join("tests/conformance/node").join(file), &script)
        .await
        .context("run `make setup-tests`")?;
    let output = Command::new("node")
        .arg("--no-deprecation")
        .arg(script)
        .current_dir(folder)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .await
        .context("node is missing: run `make setup-tests`")?;
    let said = said(&output);
    if !output.status.success() || !said.contains("ok - ") {
        bail!("{file} failed:\n{said}");
    }
    Ok(())
}

fn said(output: &Output) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    text
}
