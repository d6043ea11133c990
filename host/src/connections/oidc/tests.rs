//! Against a provider of this file's own, which says wrong things as well: what no real one does.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::*;

/// What the provider does next.
struct Doing {
    issuer: String,
    /// Of the discovery document.
    calls_itself: String,
    /// Of the token's header.
    kid: &'static str,
    alg: &'static str,
    key: EcdsaKeyPair,
    /// The keys it shows, by their names.
    shows: Vec<(&'static str, Vec<u8>)>,
    /// Over those that are right.
    claims: Value,
    nonce: String,
    userinfo: Value,
    reads: usize,
    down: bool,
    /// What was sent for the code.
    sent: String,
    basic: bool,
}

type Shared = Arc<Mutex<Doing>>;

fn key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap()
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

async fn discovery(State(doing): State<Shared>) -> Result<Json<Value>, axum::http::StatusCode> {
    let mut doing = doing.lock().unwrap();
    if doing.down {
        return Err(axum::http::StatusCode::BAD_GATEWAY);
    }
    doing.reads += 1;
    let issuer = &doing.issuer;
    let ways = if doing.basic { ["client_secret_basic"] } else { ["client_secret_post"] };
    Ok(Json(json!({
        "issuer": doing.calls_itself, "authorization_endpoint": format!("{issuer}/auth"), "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"), "userinfo_endpoint": format!("{issuer}/me"), "end_session_endpoint": format!("{issuer}/end?x=1"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "HS256", "none", "XY512"],
        "token_endpoint_auth_methods_supported": ways, "authorization_response_iss_parameter_supported": true,
    })))
}

async fn jwks(State(doing): State<Shared>) -> Json<Value> {
    let doing = doing.lock().unwrap();
    let keys: Vec<Value> = doing
        .shows
        .iter()
        .map(|(kid, point)| {
            json!({ "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256", "x": encoded(&point[1..33]), "y": encoded(&point[33..65]) })
        })
        .collect();
    Json(json!({ "keys": keys }))
}

async fn token(State(doing): State<Shared>, headers: HeaderMap, body: String) -> Json<Value> {
    let mut doing = doing.lock().unwrap();
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    doing.sent = format!("{authorization} {body}");
    let now = chrono::Utc::now().timestamp();
    let mut claims = json!({ "iss": doing.issuer, "aud": "tandem", "sub": "u-1", "exp": now + 300, "iat": now, "nonce": doing.nonce });
    for (name, value) in doing.claims.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            // Seconds from now.
            Value::String(text) if text.starts_with("now") => {
                claims[name] = json!(now + text[3..].parse::<i64>().unwrap());
            }
            value => claims[name] = value.clone(),
        }
    }
    let head = encoded(json!({ "alg": doing.alg, "kid": doing.kid, "typ": "JWT" }).to_string());
    let signed = format!("{head}.{}", encoded(claims.to_string()));
    let signature = match doing.alg {
        "none" => String::new(),
        "HS256" => {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"s3cret");
            encoded(ring::hmac::sign(&key, signed.as_bytes()))
        }
        _ => encoded(doing.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap()),
    };
    Json(
        json!({ "access_token": "at", "token_type": "Bearer", "expires_in": 300, "id_token": format!("{signed}.{signature}") }),
    )
}

async fn userinfo(State(doing): State<Shared>) -> Json<Value> {
    Json(doing.lock().unwrap().userinfo.clone())
}

struct World {
    _folder: tempfile::TempDir,
    doing: Shared,
    provider: Provider,
}

impl World {
    async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let key = key();
        let shows = vec![("one", key.public_key().as_ref().to_vec())];
        let doing = Arc::new(Mutex::new(Doing {
            calls_itself: issuer.clone(),
            issuer: issuer.clone(),
            kid: "one",
            alg: "ES256",
            key,
            shows,
            claims: json!({ "preferred_username": "ada", "groups": ["ops"] }),
            nonce: String::new(),
            userinfo: json!({}),
            reads: 0,
            down: false,
            sent: String::new(),
            basic: true,
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .route("/me", get(userinfo))
            .with_state(doing.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "s3cret").unwrap();
        let provider = Self::provider(&issuer, folder.path());
        Self { _folder: folder, doing, provider }
    }

    fn provider(issuer: &str, base: &Path) -> Provider {
        Self::provider_with(issuer, base, "")
    }

    fn provider_with(issuer: &str, base: &Path, more: &str) -> Provider {
        let text =
            format!("issuer = \"{issuer}\"\nclient_id = \"tandem\"\nclient_secret = {{ file = \"secret\" }}\n{more}");
        Provider::new(&toml::from_str(&text).unwrap(), "https://tandem.example.com", base).unwrap()
    }

    fn set(&self, change: impl FnOnce(&mut Doing)) {
        change(&mut self.doing.lock().unwrap());
    }

    /// One whole sign-in.
    async fn sign_in(&self) -> Result<Person, ProviderError> {
        let begun = self.provider.begin().await?;
        self.set(|doing| doing.nonce = begun.nonce.clone());
        let issuer = self.doing.lock().unwrap().issuer.clone();
        self.provider.finish("code".into(), Some(&issuer), begun.nonce, begun.verifier).await
    }

    /// The same with these claims.
    async fn with(&self, claims: Value) -> Result<Person, String> {
        self.set(|doing| doing.claims = claims);
        self.sign_in().await.map_err(|error| match error {
            ProviderError::Untrusted(why) => why,
            other => panic!("{other:?}"),
        })
    }
}

/// An access token with these claims over those that are right.
impl World {
    fn bearer(&self, claims: Value, head: Value) -> String {
        let doing = self.doing.lock().unwrap();
        let now = chrono::Utc::now().timestamp();
        let mut all = json!({
            "iss": doing.issuer, "aud": "https://tandem.example.com/mcp", "sub": "u-1", "exp": now + 300, "iat": now,
            "preferred_username": "ada", "groups": ["ops"], "scope": "openid tandem.tools", "client_id": "desk",
        });
        for (name, value) in claims.as_object().unwrap() {
            match value {
                Value::Null => drop(all.as_object_mut().unwrap().remove(name)),
                Value::String(text) if text.starts_with("now") => {
                    all[name] = json!(now + text[3..].parse::<i64>().unwrap());
                }
                value => all[name] = value.clone(),
            }
        }
        let mut first = json!({ "alg": "ES256", "kid": "one", "typ": "at+jwt" });
        first.as_object_mut().unwrap().extend(head.as_object().unwrap().clone());
        let signed = format!("{}.{}", encoded(first.to_string()), encoded(all.to_string()));
        let signature = doing.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encoded(signature))
    }

    async fn believed(&self, token: &str) -> Result<Bearer, String> {
        self.provider.bearer(token, "https://tandem.example.com/mcp").await.map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn a_token_that_was_made_for_this_host_says_who_brings_it_and_what_they_may() {
    let world = World::new().await;
    let told = world.believed(&world.bearer(json!({}), json!({}))).await.unwrap();
    assert_eq!((told.person.name.as_deref(), told.person.groups.as_slice()), (Some("ada"), &["ops".to_owned()][..]));
    assert!(told.scopes.contains("tandem.tools") && told.client == "desk");
    // As other providers say it.
    let entra = json!({ "scope": null, "scp": "tandem.tools other", "client_id": null, "azp": "app-7", "aud": ["x", "https://tandem.example.com/mcp"] });
    let told = world.believed(&world.bearer(entra, json!({ "typ": "JWT" }))).await.unwrap();
    assert!(told.scopes.contains("tandem.tools") && told.client == "app-7");
    let okta = json!({ "scope": null, "scp": ["tandem.tools"] });
    assert!(world.believed(&world.bearer(okta, json!({}))).await.unwrap().scopes.contains("tandem.tools"));
    // A key that the provider took up a moment ago.
    let newer = key();
    world.set(|doing| {
        doing.shows.push(("two", newer.public_key().as_ref().to_vec()));
        doing.key = newer;
    });
    world.provider.known.lock().await.as_mut().unwrap().at -= AGAIN;
    world.believed(&world.bearer(json!({}), json!({ "kid": "two" }))).await.unwrap();
}

#[tokio::test]
async fn a_token_for_somebody_else_or_of_somebody_else_opens_nothing() {
    let world = World::new().await;
    for (claims, why) in [
        (json!({ "aud": "https://other.example.com" }), "aud"),
        (json!({ "aud": "tandem" }), "aud"),
        (json!({ "aud": null }), "aud"),
        (json!({ "aud": ["https://tandem.example.com"] }), "aud"),
        (json!({ "iss": "https://other.example.com" }), "iss"),
        (json!({ "exp": "now-61" }), "exp"),
        (json!({ "exp": null }), "exp"),
        (json!({ "exp": "soon" }), "exp"),
        (json!({ "nbf": "now+90" }), "nbf"),
        (json!({ "iat": "now+90" }), "iat"),
        (json!({ "sub": null }), "sub"),
        (json!({ "sub": "" }), "sub"),
    ] {
        let told = world.believed(&world.bearer(claims.clone(), json!({}))).await.unwrap_err();
        assert!(told.contains(why), "{claims}: {told}");
    }
    for head in [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "XY512" }),
        json!({ "typ": "logout+jwt" }),
        json!({ "typ": "dpop+jwt" }),
        json!({ "kid": "nobody's" }),
        // Made by this key, and said to be by another way.
        json!({ "alg": "ES384" }),
        json!({ "alg": "RS256" }),
    ] {
        assert!(world.believed(&world.bearer(json!({}), head.clone())).await.is_err(), "{head}");
    }
    let good = world.bearer(json!({}), json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    let other = world.bearer(json!({ "groups": ["it"] }), json!({}));
    let others = other.split('.').nth(1).unwrap();
    for bad in [
        format!("{head}.{others}.{signature}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}"),
        format!("{head}..{signature}"),
        format!("{good}.{signature}"),
        "x".repeat(20_000),
        "...".to_owned(),
        String::new(),
    ] {
        assert!(world.believed(&bad).await.is_err(), "{bad}");
    }
    // A stranger's key under the provider's name.
    world.set(|doing| doing.key = key());
    assert!(world.believed(&world.bearer(json!({}), json!({}))).await.unwrap_err().contains("signature"));
    // Nobody makes the host call the provider at will.
    let reads = world.doing.lock().unwrap().reads;
    for _ in 0..50 {
        let _ = world.believed(&world.bearer(json!({}), json!({ "kid": "guessed" }))).await;
    }
    assert!(world.doing.lock().unwrap().reads <= reads + 1);
}

#[tokio::test]
async fn a_sign_in_asks_with_pkce_state_and_nonce_and_gives_who_it_is() {
    let world = World::new().await;
    let begun = world.provider.begin().await.unwrap();
    let asked: std::collections::HashMap<_, _> = begun.to.query_pairs().into_owned().collect();
    assert_eq!(asked["redirect_uri"], "https://tandem.example.com/api/v1/session/oidc/back");
    assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
    assert_eq!((&asked["state"], &asked["nonce"]), (&begun.state, &begun.nonce));
    assert_eq!(asked["scope"], "openid profile email");
    assert!(!begun.to.as_str().contains(&begun.verifier));
    let person = world.sign_in().await.unwrap();
    assert_eq!(
        (person.subject.as_str(), person.name.as_deref(), person.groups),
        ("u-1", Some("ada"), vec!["ops".into()])
    );
    let sent = world.doing.lock().unwrap().sent.clone();
    assert!(sent.starts_with("Basic ") && sent.contains("code_verifier=") && !sent.contains("client_secret"), "{sent}");
    let left = world.provider.leave(Some("hint")).await.unwrap();
    assert!(left.as_str().contains(
        "/end?x=1&client_id=tandem&post_logout_redirect_uri=https%3A%2F%2Ftandem.example.com%2F&id_token_hint=hint"
    ));
    assert_eq!(world.provider.look().await.unwrap(), Vec::<String>::new());
    assert_eq!(world.doing.lock().unwrap().reads, 1, "read once");
}

#[tokio::test]
async fn a_provider_that_wants_the_secret_in_the_body_has_it_there() {
    let world = World::new().await;
    world.set(|doing| doing.basic = false);
    world.sign_in().await.unwrap();
    let sent = world.doing.lock().unwrap().sent.clone();
    assert!(sent.starts_with(' ') && sent.contains("client_secret=s3cret"), "{sent}");
}

#[tokio::test]
async fn a_token_that_is_not_of_this_provider_for_this_host_and_now_is_not_believed() {
    let world = World::new().await;
    let base = json!({ "preferred_username": "ada", "groups": ["ops"] });
    let wrong = [
        (json!({ "aud": "another" }), "audience"),
        (json!({ "aud": ["tandem", "another"] }), "several programs"),
        (json!({ "aud": ["tandem", "another"], "azp": "another" }), "azp"),
        (json!({ "azp": "another" }), "azp"),
        (json!({ "iss": "https://evil.example" }), "issuer"),
        (json!({ "exp": "now-61" }), "expired"),
        (json!({ "iat": "now+90" }), "future"),
        (json!({ "nbf": "now+90" }), "nbf"),
        (json!({ "nonce": "another" }), "nonce"),
        (json!({ "nonce": null }), "nonce"),
        (json!({ "sub": null }), "sub"),
        (json!({ "exp": null }), "exp"),
        (json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }), "at_hash"),
    ];
    for (claims, what) in wrong {
        let why = world.with(claims.clone()).await.unwrap_err();
        assert!(why.to_lowercase().contains(what), "{claims}: {why}");
    }
    let right = [
        json!({ "exp": "now-50" }),
        json!({ "iat": "now+50", "nbf": "now+50" }),
        json!({ "aud": ["tandem", "another"], "azp": "tandem" }),
    ];
    for claims in right {
        let mut all = base.clone();
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        assert_eq!(world.with(all.clone()).await.map(|person| person.name), Ok(Some("ada".into())), "{all}");
    }
}

#[tokio::test]
async fn a_signature_that_anybody_could_make_is_none() {
    let world = World::new().await;
    for alg in ["none", "HS256"] {
        world.set(|doing| doing.alg = alg);
        let why = world.with(json!({ "preferred_username": "ada", "groups": ["it"] })).await.unwrap_err();
        assert!(!why.is_empty(), "{alg}");
    }
    // Its own name over another key.
    world.set(|doing| (doing.alg, doing.key) = ("ES256", key()));
    let why = world.with(json!({})).await.unwrap_err();
    assert!(why.to_lowercase().contains("signature"), "{why}");
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_read_and_an_unknown_one_is_refused() {
    let world = World::new().await;
    world.sign_in().await.unwrap();
    let fresh = key();
    let point = fresh.public_key().as_ref().to_vec();
    world.set(|doing| (doing.key, doing.kid) = (fresh, "two"));
    let why = world.sign_in().await.unwrap_err();
    assert!(why.to_string().contains("a key that the provider does not show"), "{why}");
    assert_eq!(world.doing.lock().unwrap().reads, 1, "nobody makes the host ask at will");
    world.set(|doing| doing.shows.push(("two", point)));
    world.provider.known.lock().await.as_mut().unwrap().at -= AGAIN;
    world.sign_in().await.unwrap();
    assert_eq!(world.doing.lock().unwrap().reads, 2);
}

#[tokio::test]
async fn an_answer_of_another_provider_is_shown_to_nobody() {
    let world = World::new().await;
    for issuer in [Some("https://evil.example"), None] {
        let begun = world.provider.begin().await.unwrap();
        world.set(|doing| doing.nonce = begun.nonce.clone());
        let ended = world.provider.finish("code".into(), issuer, begun.nonce, begun.verifier).await;
        assert!(matches!(ended, Err(ProviderError::Untrusted(_))), "{ended:?}");
    }
    assert_eq!(world.doing.lock().unwrap().sent, "", "the code stays here");
}

#[tokio::test]
async fn what_is_not_in_the_token_is_asked_for() {
    let world = World::new().await;
    world.set(|doing| {
        doing.userinfo = json!({ "sub": "u-1", "preferred_username": "ada", "groups": ["ops"], "age": 1.5 })
    });
    assert_eq!(world.with(json!({})).await.unwrap().groups, ["ops"]);
    world.set(|doing| doing.userinfo = json!({ "sub": "u-2", "preferred_username": "ada", "groups": ["it"] }));
    let person = world.with(json!({})).await.unwrap();
    assert_eq!((person.subject.as_str(), person.groups.len()), ("u-1", 0), "who it is is known");
    assert!(matches!(&person.unread, Some(ProviderError::Untrusted(why)) if why.contains("userinfo")), "{person:?}");
}

#[tokio::test]
async fn a_provider_that_is_down_or_another_one_is_told_apart() {
    let world = World::new().await;
    world.set(|doing| doing.calls_itself = "https://another.example".into());
    let told = world.provider.begin().await.err().unwrap();
    assert!(matches!(&told, ProviderError::Unfit(why) if why.contains("https://another.example")), "{told:?}");
    let world = World::new().await;
    world.set(|doing| doing.down = true);
    let told = world.provider.begin().await.err().unwrap();
    assert!(matches!(&told, ProviderError::Down(why) if why.contains("502")), "{told:?}");
    let nobody = World::provider("http://127.0.0.1:9", world._folder.path());
    let told = nobody.begin().await.err().unwrap();
    assert!(matches!(told, ProviderError::Down(_)), "{told:?}");
    // Once known, its keys go on while it is away.
    let world = World::new().await;
    world.provider.begin().await.unwrap();
    world.set(|doing| doing.down = true);
    world.provider.known.lock().await.as_mut().unwrap().at -= AGAIN;
    world.provider.metadata(AGAIN).await.unwrap();
}

#[tokio::test]
async fn a_provider_of_the_company_is_reached_through_its_proxy_and_by_its_authority() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "s3cret").unwrap();
    // The way: what the proxy is asked for.
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = format!("proxy = {{ url = \"http://{}\" }}\n", proxy.local_addr().unwrap());
    let through = World::provider_with("https://id.intra.example", folder.path(), &way);
    let asked = async {
        let (mut stream, _) = proxy.accept().await.unwrap();
        let mut line = vec![0; "CONNECT id.intra.example:443 ".len()];
        stream.read_exact(&mut line).await.unwrap();
        stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await.unwrap();
        String::from_utf8(line).unwrap()
    };
    let (told, line) = tokio::join!(through.begin(), asked);
    assert_eq!(line, "CONNECT id.intra.example:443 ");
    assert!(matches!(told.err(), Some(ProviderError::Down(why)) if why.contains("the proxy")));
    // The authority: a provider whose certificate no public one has signed.
    transport::install_crypto();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let tls =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key);
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls.unwrap()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let body = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"), "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"], "keys": [],
    })
    .to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, body) = (acceptor.clone(), body.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _ = stream.read(&mut [0; 4096]).await;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
                let _ =
                    stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    let direct = World::provider(&issuer, folder.path()).begin().await.err().unwrap();
    assert!(matches!(&direct, ProviderError::Down(why) if why.contains("certificate")), "{direct:?}");
    let trusted = World::provider_with(&issuer, folder.path(), "tls = { ca_file = \"ca.pem\" }\n");
    assert!(trusted.begin().await.unwrap().to.as_str().starts_with(&format!("{issuer}/auth?")));
}
