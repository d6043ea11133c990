//! A browser as far as signing in needs one: keeps cookies by host, port and path, follows what it is sent to, fills in forms.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, Url, redirect};

/// See the module's words.
pub struct Browser {
    client: Client,
    /// Host and port, then the cookie's name: its path and value.
    cookies: BTreeMap<(String, String), (String, String)>,
}

/// What a browser shows in the end.
#[derive(Debug)]
pub struct Page {
    /// Its address.
    pub url: Url,
    /// HTTP status.
    pub status: u16,
    /// As sent.
    pub body: String,
}

impl Browser {
    /// One without cookies.
    pub fn new() -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client =
            Client::builder().timeout(Duration::from_secs(20)).redirect(redirect::Policy::none()).no_proxy().build()?;
        Ok(Self { client, cookies: BTreeMap::new() })
    }

    /// A cookie's value.
    pub fn cookie(&self, url: &str, name: &str) -> Option<String> {
        let place = place(&url.parse().ok()?);
        self.cookies.get(&(place, name.to_owned())).map(|(_, value)| value.clone())
    }

    /// Plants a cookie.
    pub fn plant(&mut self, url: &str, name: &str, path: &str, value: &str) -> Result<()> {
        let key = (place(&url.parse()?), name.to_owned());
        self.cookies.insert(key, (path.to_owned(), value.to_owned()));
        Ok(())
    }

    /// One step: an answer, redirect or not.
    pub async fn step(&mut self, url: &Url, form: Option<&[(String, String)]>) -> Result<Response> {
        let here = place(url);
        let sent =
            self.cookies.iter().filter(|((own, _), (path, _))| *own == here && url.path().starts_with(path.as_str()));
        let sent: Vec<String> = sent.map(|((_, name), (_, value))| format!("{name}={value}")).collect();
        let request = match form {
            None => self.client.get(url.clone()),
            Some(fields) => {
                let body = Url::parse_with_params("http://x/", fields)?.query().unwrap_or_default().to_owned();
                let kind = "application/x-www-form-urlencoded";
                self.client.post(url.clone()).header("content-type", kind).body(body)
            }
        };
        let request = if sent.is_empty() { request } else { request.header(COOKIE, sent.join("; ")) };
        let answer = request.send().await.with_context(|| format!("{url}"))?;
        for line in answer.headers().get_all(SET_COOKIE) {
            let line = line.to_str()?;
            let mut parts = line.split(';').map(str::trim);
            let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).context("a cookie")?;
            let rest: Vec<&str> = parts.collect();
            let of = |what: &str| rest.iter().find_map(|part| part.strip_prefix(what)).map(str::to_owned);
            let key = (here.clone(), name.to_owned());
            let is_over = value.is_empty() || of("Max-Age=").as_deref() == Some("0");
            if is_over {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, (of("Path=").or_else(|| of("path=")).unwrap_or("/".into()), value.to_owned()));
            }
        }
        Ok(answer)
    }

    /// Where an answer sends it.
    pub fn sent_to(answer: &Response) -> Result<Option<Url>> {
        let Some(to) = answer.headers().get(LOCATION) else { return Ok(None) };
        Ok(Some(answer.url().join(to.to_str()?)?))
    }

    /// Goes to an address and on, until a page is shown or `until` is where it would go next.
    pub async fn go(&mut self, url: &str, until: impl Fn(&Url) -> bool) -> Result<Page> {
        self.follow(url.parse()?, None, until).await
    }

    /// Fills in the form of a page and sends it.
    pub async fn fill(&mut self, page: &Page, fields: &[(&str, &str)], until: impl Fn(&Url) -> bool) -> Result<Page> {
        let form = page.body.split("<form").nth(1).with_context(|| format!("no form: {}", page.body))?;
        let form = form.split("</form>").next().unwrap_or_default();
        let action = attribute(form, "action").context("an action")?;
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        for input in form.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap_or_default()) {
            if let (Some(name), Some(value)) = (attribute(input, "name"), attribute(input, "value")) {
                all.insert(name, value);
            }
        }
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let all: Vec<(String, String)> = all.into_iter().collect();
        self.follow(page.url.join(&action)?, Some(all), until).await
    }

    async fn follow(
        &mut self,
        mut url: Url,
        mut form: Option<Vec<(String, String)>>,
        until: impl Fn(&Url) -> bool,
    ) -> Result<Page> {
        for _ in 0..20 {
            let answer = self.step(&url, form.take().as_deref()).await?;
            match Self::sent_to(&answer)? {
                Some(next) if until(&next) => return Ok(Page { url: next, status: 0, body: String::new() }),
                Some(next) => url = next,
                None => {
                    let status = answer.status().as_u16();
                    return Ok(Page { url, status, body: answer.text().await? });
                }
            }
        }
        bail!("sent around in a circle at {url}")
    }
}

fn place(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split(&format!("{name}=\"")).nth(1)?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}
