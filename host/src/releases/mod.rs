//! What each flow runs. A release is everything of it as one digest: plugin, mapping, mapping plugin, settings. Files are the way to put things in;
//! their contents are kept in the store, so that what runs, and what ran, does not change when a file does.

pub mod consent;
mod differ;
mod error;
mod files;
mod manifest;
mod parcel;
pub mod shipped;
mod standing;
mod trust;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;

pub use self::consent::Code;
pub use self::differ::{Difference, asks_of, component, differences, mapping_lines};
pub use self::error::ReleaseError;
pub use self::files::Written;
pub use self::manifest::{Component, Manifest};
pub use self::parcel::Parcel;
pub use self::standing::Standing;
pub use self::trust::{SIGNATURE, Trust, TrustError, sign, signature_of};
use crate::config::{Config, FlowConfig};
use crate::mapping::Mapping;
use crate::sandbox::{LoadError, MapperCode, Plugin, Runtime, digest_of, read};
use crate::store::{Activation, Content, ReleaseRow, Store};

type Result<T> = std::result::Result<T, ReleaseError>;

/// Characters of a digest by which people name a release.
pub const SHORT: usize = 12;

/// A release, loaded: ready to run.
pub struct Release {
    /// SHA-256 of its manifest, hex.
    pub digest: String,
    /// Its parts by their digests.
    pub manifest: Manifest,
    /// The plugin.
    pub plugin: Arc<Plugin>,
    /// The mapping.
    pub mapping: Arc<Mapping>,
    /// The mapping as it was written.
    pub mapping_text: String,
    /// The mapping plugin, if there is one.
    pub mapper: Option<Arc<MapperCode>>,
}

impl Release {
    /// As people name it.
    pub fn short(&self) -> &str {
        short(&self.digest)
    }

    /// Sections of its mapping that the plugin never applies, each with what is wrong, and a mapping plugin that is asked about none; a plugin that
    /// names none may apply any.
    pub fn needless_sections(&self) -> Vec<(String, String)> {
        let description = &self.plugin.description;
        let known: Vec<&str> = description.sections.iter().map(|section| section.name.as_str()).collect();
        if known.is_empty() {
            return Vec::new();
        }
        let needless = self.mapping.sections().into_iter().filter(|name| !known.contains(name));
        let has = format!("the plugin applies no such section; it has {}", known.join(", "));
        let mut told: Vec<(String, String)> = needless.map(|name| (name.to_owned(), has.clone())).collect();
        told.extend(self.mapping.set_in_vain());
        // One that several flows share names sections of the others, too.
        let applied = description.reserved();
        let mapper = self.mapper.as_ref().and_then(|code| code.description.as_ref());
        if let Some(own) = mapper.filter(|own| !own.sections.iter().any(|section| applied.contains_key(&section.name)))
        {
            let named: Vec<&str> = own.sections.iter().map(|section| section.name.as_str()).collect();
            let asked: Vec<&str> = applied.keys().map(String::as_str).collect();
            let why =
                format!("the mapping plugin {} is never asked: the plugin applies {}", own.name, asked.join(", "));
            told.push((named.join(", "), why));
        }
        // One of a shape that this plugin has, such as `lines` where it has `line`, is meant for no other flow.
        for section in mapper.into_iter().flat_map(|own| &own.sections) {
            let near = |known: &&String| strsim::damerau_levenshtein(known, &section.name) == 1;
            if let (false, Some(meant)) = (applied.contains_key(&section.name), applied.keys().find(near)) {
                let why = format!("the mapping plugin is never asked about it: the plugin applies {meant}");
                told.push((section.name.clone(), why));
            }
        }
        told
    }

    /// Its mapping plugin is asked about a section of this name; one that does not say which is asked about all.
    pub fn asks_mapper(&self, section: &str) -> bool {
        self.mapper
            .as_ref()
            .is_some_and(|code| code.description.as_ref().is_none_or(|own| own.section(section).is_some()))
    }

    /// All of it, with another plugin.
    pub fn with_plugin(&self, plugin: Arc<Plugin>) -> Self {
        Self {
            digest: self.digest.clone(),
            manifest: self.manifest.clone(),
            plugin,
            mapping: self.mapping.clone(),
            mapping_text: self.mapping_text.clone(),
            mapper: self.mapper.clone(),
        }
    }
}

/// The beginning of a digest.
pub fn short(digest: &str) -> &str {
    digest.get(..SHORT).unwrap_or(digest)
}

/// A release made of files, and its parts; not kept yet.
pub struct Draft {
    /// Ready to run.
    pub release: Arc<Release>,
    contents: Vec<Content>,
    signed_by: Option<String>,
}

/// Parts to be taken instead of those of a release.
#[derive(Default)]
pub struct Instead {
    /// Another plugin.
    pub plugin: Option<Part>,
    /// Another mapping: its text.
    pub mapping: Option<Part<String>>,
    /// Another mapping plugin, called as its file.
    pub mapper: Option<Part>,
    /// All of the settings.
    pub settings: Option<Value>,
}

/// A part of a release, and what errors call it: a file's path, or words.
pub struct Part<T = Vec<u8>> {
    /// Where it is from.
    pub from: PathBuf,
    /// What it holds.
    pub content: T,
}

/// What an error says of where a part came from.
struct Origin<'a> {
    flow: &'a str,
    /// As [`Config::place`] says it; empty for what comes out of the store.
    mapping_at: String,
    settings_at: String,
    mapping_file: PathBuf,
}

/// The releases of all flows: made of files, kept in the store, loaded once however many flows share a part.
pub struct Releases {
    /// Where an operator drops plugins.
    pub folder: PathBuf,
    /// Where hosts of before there were releases kept each plugin they ran, by digest.
    archive: PathBuf,
    /// Whose signatures count.
    pub trust: Trust,
    store: Arc<dyn Store>,
    runtime: Arc<Runtime>,
    plugins: Loaded<Plugin>,
    mappers: Loaded<MapperCode>,
    /// Flows whose files say nothing yet: see [`Releases::set_silent`].
    silent: Mutex<BTreeSet<String>>,
    /// See [`files`].
    writing: Arc<files::Writing>,
}

impl Releases {
    /// From configuration.
    pub fn new(config: &Config, store: Arc<dyn Store>, runtime: Arc<Runtime>) -> Self {
        let database = config.resolve(&config.store.path);
        let beside = database.parent().map(PathBuf::from).unwrap_or_default();
        Self {
            folder: config.resolve(&config.host.plugins),
            archive: beside.join("plugins"),
            trust: config.trust.clone().into(),
            store,
            runtime,
            plugins: Loaded::default(),
            mappers: Loaded::default(),
            silent: Mutex::default(),
            writing: Arc::default(),
        }
    }

    /// The same store and sandbox under another configuration.
    pub fn reconfigured(&self, config: &Config) -> Self {
        let writing = self.writing.clone();
        Self { writing, ..Self::new(config, self.store.clone(), self.runtime.clone()) }
    }

    /// Where releases and consents are kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The sandbox that plugins are loaded into.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// The file of a plugin by name.
    pub fn path(&self, plugin: &str) -> PathBuf {
        self.folder.join(format!("{plugin}.wasm"))
    }

    /// The plugin of that name as it lies in the folder.
    pub async fn plugin_file(&self, name: &str) -> Result<Arc<Plugin>> {
        let path = self.path(name);
        let wasm = read(&path).await?;
        self.trust.check_file(&path, &wasm)?;
        let plugin = self.plugin(&path, wasm).await?;
        named_like_its_file(&plugin.description.name, name, path)?;
        Ok(plugin)
    }

    /// What the files of a flow say now.
    pub async fn of_files(&self, flow: &str, config: &Config) -> Result<Draft> {
        let own = flow_of(flow, config)?;
        let path = self.path(&own.plugin);
        let wasm = read(&path).await?;
        let mut signed_by = self.trust.check_file(&path, &wasm)?;
        let plugin = self.plugin(&path, wasm.clone()).await?;
        named_like_its_file(&plugin.description.name, &own.plugin, path)?;
        let mut contents = vec![Content { digest: plugin.digest.clone(), bytes: wasm }];
        let mut origin = Origin {
            flow,
            mapping_at: config.place(&["flows", flow, "mapping"]),
            settings_at: config.place(&["flows", flow, "settings"]),
            mapping_file: "(built in)".into(),
        };
        let mapping = match &own.mapping {
            Some(path) => {
                origin.mapping_file = config.resolve(path);
                let text = std::fs::read_to_string(&origin.mapping_file).map_err(|e| origin.unread(e))?;
                if text.trim().is_empty() {
                    return Err(origin.mapping("it is empty; one that maps nothing says `version = 1`".into()));
                }
                contents.push(Content { digest: digest_of(text.as_bytes()), bytes: text.clone().into_bytes() });
                Some(text)
            }
            None => None,
        };
        let mapper = match &own.mapper {
            Some(path) => {
                let path = config.resolve(path);
                let wasm = read(&path).await?;
                signed_by = self.trust.check_file(&path, &wasm)?.and(signed_by);
                let code = self.mapper(&path, wasm.clone()).await?;
                contents.push(Content { digest: code.digest.clone(), bytes: wasm });
                let name = name_of(&path);
                if let Some(description) = &code.description {
                    named_like_its_file(&description.name, &name, path)?;
                }
                Some((name, code))
            }
            None => None,
        };
        let settings = serde_json::to_value(&own.settings).unwrap_or_default();
        check_settings(&origin, &plugin, &settings)?;
        let release = assemble(&origin, plugin, mapping, mapper, &settings)?;
        Ok(Draft { release: Arc::new(release), contents, signed_by })
    }

    /// Compiles what the files of all flows name, so that who looks at them next does not wait for it. What cannot be used is told by that look.
    pub async fn compile(&self, config: &Config) {
        futures_util::future::join_all(config.flows.keys().map(|flow| self.of_files(flow, config))).await;
    }

    /// A release with other parts: to be looked at, or kept.
    pub async fn with(&self, flow: &str, base: &Release, instead: Instead) -> Result<Draft> {
        let mut contents = Vec::new();
        let mut keep = |digest: &str, bytes: Vec<u8>| contents.push(Content { digest: digest.to_owned(), bytes });
        let plugin = match instead.plugin {
            Some(Part { from, content }) => {
                let plugin = self.plugin(&from, content.clone()).await?;
                keep(&plugin.digest, content);
                let (own, other) = (&base.plugin.description.name, &plugin.description.name);
                if own != other {
                    let (plugin, other) = (own.clone(), other.clone());
                    return Err(ReleaseError::OtherPlugin { flow: flow.to_owned(), plugin, path: from, other });
                }
                plugin
            }
            None => base.plugin.clone(),
        };
        let mapper = match (instead.mapper, &base.manifest.mapper, &base.mapper) {
            (Some(Part { from, content }), ..) => {
                let code = self.mapper(&from, content.clone()).await?;
                keep(&code.digest, content);
                let own = code.description.as_ref().map(|description| description.name.clone());
                Some((own.unwrap_or_else(|| name_of(&from)), code))
            }
            (None, Some(own), Some(code)) => Some((own.name.clone(), code.clone())),
            _ => None,
        };
        let mut origin = Origin {
            flow,
            mapping_at: String::new(),
            settings_at: String::new(),
            mapping_file: format!("of release {}", base.short()).into(),
        };
        let mapping = match instead.mapping {
            Some(Part { from, content }) => {
                origin.mapping_file = from;
                keep(&digest_of(content.as_bytes()), content.clone().into_bytes());
                Some(content)
            }
            // The default of another plugin is that plugin's own.
            None => base.manifest.mapping.as_ref().map(|_| base.mapping_text.clone()),
        };
        let settings = instead.settings.as_ref().unwrap_or(&base.manifest.settings);
        check_settings(&origin, &plugin, settings)?;
        let release = assemble(&origin, plugin, mapping, mapper, settings)?;
        Ok(Draft { release: Arc::new(release), contents, signed_by: None })
    }

    /// Keeps a release like one that is kept, with other parts; it is not live by that. `origin` says in words where it comes from.
    pub async fn draft(&self, flow: &str, base: &Release, instead: Instead, origin: &str) -> Result<Arc<Release>> {
        let code: Vec<PathBuf> =
            [&instead.plugin, &instead.mapper].into_iter().flatten().map(|part| part.from.clone()).collect();
        for path in &code {
            self.trust.unsigned(path)?;
        }
        let mut draft = self.with(flow, base, instead).await?;
        if code.is_empty() {
            draft.signed_by = self.store.release(flow, &base.digest).await?.and_then(|row| row.signed_by);
        }
        self.keep(flow, draft, origin).await
    }

    /// Keeps a release that was made of files; `origin` says of which, in words.
    pub async fn keep(&self, flow: &str, draft: Draft, origin: &str) -> Result<Arc<Release>> {
        let release = draft.release;
        // At each start the files say what is kept already.
        let known = self.store.release(flow, &release.digest).await?;
        if known.is_none_or(|known| draft.signed_by.is_some() && draft.signed_by != known.signed_by) {
            let row = row(flow, &release.manifest, origin, draft.signed_by);
            self.store.release_put(row, draft.contents).await?;
        }
        Ok(release)
    }

    /// A release as it goes to another host.
    pub async fn parcel(&self, flow: &str, digest: &str) -> Result<Parcel> {
        let release = self.load(flow, digest).await?;
        let manifest = release.manifest.clone();
        let mut contents = std::collections::BTreeMap::new();
        for part in manifest.parts() {
            contents.extend(self.store.content(part).await?.map(|bytes| (part.clone(), bytes)));
        }
        Ok(Parcel { flow: flow.to_owned(), manifest, contents })
    }

    /// Keeps a release that came from another host, once it fits this one; it is not live by that. `signed_by`: the key that its file was signed with.
    pub async fn take_in(
        &self,
        flow: &str,
        parcel: Parcel,
        origin: &str,
        signed_by: Option<String>,
    ) -> Result<Arc<Release>> {
        let row = row(flow, &parcel.manifest, origin, signed_by);
        let named = |name: &str| PathBuf::from(format!("{name}.wasm ({origin})"));
        let part = |digest: &str| parcel.contents.get(digest).cloned().unwrap_or_default();
        let manifest = &parcel.manifest;
        let plugin = self.plugin(&named(&manifest.plugin.name), part(&manifest.plugin.digest)).await?;
        let mapper = match &manifest.mapper {
            Some(own) => {
                let code = self.mapper(&named(&own.name), part(&own.digest)).await?;
                let called = code.description.as_ref().map_or(&own.name, |description| &description.name);
                let is_one = Path::new(&own.name).file_name().is_some_and(|name| name == own.name.as_str());
                if *called != own.name || !is_one {
                    let cause = format!("its mapping plugin cannot be called {:?}", own.name);
                    let release = short(&row.digest).to_owned();
                    return Err(ReleaseError::NotWhole { flow: flow.to_owned(), release, cause });
                }
                Some((own.name.clone(), code))
            }
            None => None,
        };
        let mapping = manifest.mapping.as_ref().map(|own| String::from_utf8_lossy(&part(own)).into_owned());
        let at = Origin { flow, mapping_at: String::new(), settings_at: String::new(), mapping_file: origin.into() };
        check_settings(&at, &plugin, &manifest.settings)?;
        let release = assemble(&at, plugin, mapping, mapper, &manifest.settings)?;
        if release.digest != row.digest {
            let cause = "its plugin calls itself otherwise than its manifest says".into();
            return Err(ReleaseError::NotWhole { flow: flow.to_owned(), release: release.short().to_owned(), cause });
        }
        self.store.release_put(row, parcel.into_contents()).await?;
        Ok(Arc::new(release))
    }

    /// A release of a flow, out of the store.
    pub async fn load(&self, flow: &str, digest: &str) -> Result<Arc<Release>> {
        let manifest = self.manifest(flow, digest).await?;
        let kept = Kept { releases: self, flow, digest };
        let plugin = kept.plugin(&manifest.plugin).await?;
        let mapper = match &manifest.mapper {
            Some(mapper) => Some((mapper.name.clone(), kept.mapper(mapper).await?)),
            None => None,
        };
        let mapping = match &manifest.mapping {
            Some(mapping) => {
                let text = String::from_utf8(kept.part(mapping, "mapping").await?);
                Some(text.map_err(|_| kept.not_whole("its mapping is not UTF-8".into()))?)
            }
            None => None,
        };
        let origin = Origin {
            flow,
            mapping_at: String::new(),
            settings_at: String::new(),
            mapping_file: format!("of release {}", short(digest)).into(),
        };
        // What was taken once is not judged anew: a host that has learned to see more refuses what comes, not what runs.
        Ok(Arc::new(assemble(&origin, plugin, mapping, mapper, &manifest.settings)?))
    }

    async fn manifest(&self, flow: &str, digest: &str) -> Result<Manifest> {
        match self.store.release(flow, digest).await? {
            Some(row) => {
                Manifest::parse(&row.manifest).map_err(|cause| Kept { releases: self, flow, digest }.not_whole(cause))
            }
            None => Err(self.unknown(flow, digest).await?),
        }
    }

    /// The release a run started under. One of before there were releases ran a plugin, with what the flow's first release has of before; before that,
    /// with what its files say.
    pub async fn of_run(&self, flow: &str, digest: &str, config: &Config) -> Result<Arc<Release>> {
        let archived = self.archive.join(format!("{digest}.wasm"));
        if self.store.release(flow, digest).await?.is_some() || !archived.exists() {
            return self.load(flow, digest).await;
        }
        let first = self.store.activations(flow, u32::MAX).await?.pop();
        let then = match first {
            Some(first) if self.store.release(flow, &first.release).await?.is_some() => {
                self.load(flow, &first.release).await?
            }
            _ => self.of_files(flow, config).await?.release,
        };
        let plugin = self.plugin(&archived, read(&archived).await?).await?;
        Ok(Arc::new(then.with_plugin(plugin)))
    }

    /// How the live release of a flow went live; none before the first.
    pub async fn live(&self, flow: &str) -> Result<Option<Activation>> {
        Ok(self.store.activations(flow, 1).await?.pop())
    }

    /// The live release of a flow; before its first, what its files say.
    pub async fn live_or_files(&self, flow: &str, config: &Config) -> Result<Arc<Release>> {
        flow_of(flow, config)?;
        match self.live(flow).await? {
            Some(live) => self.load(flow, &live.release).await,
            None => Ok(self.of_files(flow, config).await?.release),
        }
    }

    /// Whether the files of a flow say nothing: they are still being read for the first time, or cannot be used. That is found out by who looks at
    /// them; nobody else tries again, or waits for it.
    pub fn set_silent(&self, flow: &str, silent: bool) {
        let mut all = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if silent {
            all.insert(flow.to_owned());
        } else {
            all.remove(flow);
        }
    }

    /// The plugin that a flow runs, or would; what cannot be loaded says nothing.
    pub async fn plugin_of(&self, flow: &str, config: &Config) -> Option<Arc<Plugin>> {
        flow_of(flow, config).ok()?;
        match self.live(flow).await.ok()? {
            Some(Activation { release, .. }) => {
                let manifest = self.manifest(flow, &release).await.ok()?;
                Kept { releases: self, flow, digest: &release }.plugin(&manifest.plugin).await.ok()
            }
            None if self.silent.lock().unwrap_or_else(PoisonError::into_inner).contains(flow) => None,
            None => Some(self.of_files(flow, config).await.ok()?.release.plugin.clone()),
        }
    }

    /// The release of a flow whose digest begins so.
    pub async fn find(&self, flow: &str, asked: &str) -> Result<ReleaseRow> {
        let mut fitting = self.store.releases(flow).await?;
        fitting.retain(|row| !asked.is_empty() && row.digest.starts_with(&asked.to_ascii_lowercase()));
        match (fitting.pop(), fitting.is_empty()) {
            (Some(one), true) => Ok(one),
            _ => Err(self.unknown(flow, asked).await?),
        }
    }

    async fn unknown(&self, flow: &str, asked: &str) -> Result<ReleaseError> {
        let known = self.store.releases(flow).await?;
        let mut known: Vec<&str> = known.iter().map(|row| short(&row.digest)).take(10).collect();
        known.sort_unstable();
        let known = if known.is_empty() { "it has none yet".into() } else { format!("known: {}", known.join(", ")) };
        Ok(ReleaseError::Unknown { flow: flow.to_owned(), asked: asked.to_owned(), known })
    }

    /// Refuses code that asks for more than it was allowed.
    pub async fn consented(&self, release: &Release) -> Result<()> {
        for code in release.codes() {
            let missing = consent::missing(self.store.as_ref(), &code).await?.len();
            if missing > 0 {
                let version = if code.version.is_empty() { String::new() } else { format!(" {}", code.version) };
                return Err(ReleaseError::NotGranted {
                    kind: code.kind(),
                    plugin: code.short_name().to_owned(),
                    version,
                    missing,
                });
            }
        }
        Ok(())
    }

    /// Makes a release live, once it was loaded and all its code is allowed. False where it is live already.
    pub async fn activate(&self, flow: &str, digest: &str, who: &str, why: &str, over: Over<'_>) -> Result<bool> {
        loop {
            let live = self.live(flow).await?;
            over.check(flow, live.as_ref())?;
            if live.as_ref().is_some_and(|live| live.release == digest) {
                return Ok(false);
            }
            self.may_go_live(flow, digest).await?;
            let before = live.map(|live| live.id);
            if self.went_live(flow, digest, who, why, before, before).await? {
                return Ok(true);
            }
        }
    }

    /// Goes back to the release that was live before the one that is; says which. What was taken back does not come again by itself, and going back
    /// twice goes back two releases, not to and fro.
    pub async fn roll_back(&self, flow: &str, who: &str, why: &str, over: Over<'_>) -> Result<Arc<Release>> {
        loop {
            let past = self.store.activations(flow, u32::MAX).await?;
            over.check(flow, past.first())?;
            let target = before(&past).ok_or_else(|| ReleaseError::NoEarlier(flow.to_owned()))?;
            let (live, release) = (past.first().map(|act| act.id), target.release.clone());
            let release = self.may_go_live(flow, &release).await?;
            if self.went_live(flow, &target.release, who, why, target.back, live).await? {
                return Ok(release);
            }
        }
    }

    /// The release, if it can be loaded, all its code is allowed, and it is signed where it must be.
    async fn may_go_live(&self, flow: &str, digest: &str) -> Result<Arc<Release>> {
        let release = self.load(flow, digest).await?;
        let row = self.store.release(flow, digest).await?;
        self.trust.check_kept(flow, release.short(), row.and_then(|row| row.signed_by).as_deref())?;
        self.consented(&release).await?;
        Ok(release)
    }

    /// False where somebody else was faster: to be looked at anew.
    async fn went_live(
        &self,
        flow: &str,
        release: &str,
        who: &str,
        why: &str,
        back: Option<i64>,
        instead_of: Option<i64>,
    ) -> Result<bool> {
        let act = Activation {
            id: 0,
            flow: flow.to_owned(),
            release: release.to_owned(),
            who: who.to_owned(),
            why: why.to_owned(),
            at: crate::time::now(),
            back,
        };
        Ok(self.store.activate(act, instead_of).await?)
    }

    async fn plugin(&self, named: &Path, wasm: Vec<u8>) -> std::result::Result<Arc<Plugin>, LoadError> {
        self.once(&self.plugins, named, digest_of(&wasm), self.runtime.plugin(named, wasm)).await
    }

    async fn mapper(&self, named: &Path, wasm: Vec<u8>) -> std::result::Result<Arc<MapperCode>, LoadError> {
        self.once(&self.mappers, named, digest_of(&wasm), self.runtime.mapper(named, wasm)).await
    }

    /// Loads what is not loaded yet, and was not found unusable before.
    async fn once<T>(
        &self,
        known: &Loaded<T>,
        named: &Path,
        digest: String,
        load: impl Future<Output = std::result::Result<Arc<T>, LoadError>>,
    ) -> std::result::Result<Arc<T>, LoadError> {
        if let Some(known) = known.get(&digest) {
            return Ok(known);
        }
        if let Some(error) = known.unusable.why(&digest, named) {
            return Err(error);
        }
        let loaded = load.await;
        match &loaded {
            Ok(component) => known.keep(&digest, component),
            Err(error) => known.unusable.keep(digest, error),
        }
        loaded
    }
}

/// What something goes live instead of.
#[derive(Clone, Copy)]
pub enum Over<'a> {
    /// Whatever is live then.
    Any,
    /// The release that was live when a person looked, or none; an error where another one is.
    Seen(Option<&'a str>),
}

impl Over<'_> {
    fn check(self, flow: &str, live: Option<&Activation>) -> Result<()> {
        match (self, live) {
            (Self::Seen(seen), live) if seen != live.map(|live| live.release.as_str()) => {
                let flow = flow.to_owned();
                Err(match live {
                    Some(live) => {
                        ReleaseError::Faster { flow, live: short(&live.release).to_owned(), who: live.who.clone() }
                    }
                    None => ReleaseError::NoEarlier(flow),
                })
            }
            _ => Ok(()),
        }
    }
}

/// What a rollback makes live, of all that was made live, the last first.
pub fn before(past: &[Activation]) -> Option<&Activation> {
    let back = past.first()?.back;
    past.iter().find(|act| Some(act.id) == back)
}

/// A release in the store, from which its parts are taken; a component that is loaded already is not read again.
struct Kept<'a> {
    releases: &'a Releases,
    flow: &'a str,
    digest: &'a str,
}

impl Kept<'_> {
    async fn plugin(&self, own: &Component) -> Result<Arc<Plugin>> {
        match self.releases.plugins.get(&own.digest) {
            Some(known) => Ok(known),
            None => Ok(self.releases.plugin(&self.named(own), self.part(&own.digest, "plugin").await?).await?),
        }
    }

    async fn mapper(&self, own: &Component) -> Result<Arc<MapperCode>> {
        match self.releases.mappers.get(&own.digest) {
            Some(known) => Ok(known),
            None => Ok(self.releases.mapper(&self.named(own), self.part(&own.digest, "mapping plugin").await?).await?),
        }
    }

    async fn part(&self, digest: &str, what: &str) -> Result<Vec<u8>> {
        let bytes = self.releases.store.content(digest).await?;
        bytes.ok_or_else(|| self.not_whole(format!("its {what} {} is not kept", short(digest))))
    }

    fn named(&self, own: &Component) -> PathBuf {
        format!("{}.wasm of release {}", own.name, short(self.digest)).into()
    }

    fn not_whole(&self, cause: String) -> ReleaseError {
        ReleaseError::NotWhole { flow: self.flow.to_owned(), release: short(self.digest).to_owned(), cause }
    }
}

/// Components of a kind.
struct Loaded<T> {
    /// By their digests, for as long as somebody uses them.
    used: Mutex<HashMap<String, Weak<T>>>,
    unusable: Unusable,
}

impl<T> Default for Loaded<T> {
    fn default() -> Self {
        Self { used: Mutex::default(), unusable: Unusable::default() }
    }
}

impl<T> Loaded<T> {
    fn get(&self, digest: &str) -> Option<Arc<T>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).get(digest).and_then(Weak::upgrade)
    }

    fn keep(&self, digest: &str, component: &Arc<T>) {
        let mut known = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, component| component.strong_count() > 0);
        known.insert(digest.to_owned(), Arc::downgrade(component));
    }
}

/// Files that cannot be used as what they were looked at, by their digests, and why: asked once, however many look at them. One that loops until it is stopped
/// would else be waited for by each flow that asks what the others take.
#[derive(Default)]
struct Unusable(Mutex<HashMap<String, LoadError>>);

impl Unusable {
    /// So many are remembered, more than anyone has flows.
    const MOST: usize = 200;

    fn why(&self, digest: &str, named: &Path) -> Option<LoadError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest)?.of_same(named)
    }

    fn keep(&self, digest: String, error: &LoadError) {
        let Some(error) = error.of_same(Path::new("")) else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Self::MOST {
            known.clear();
        }
        known.insert(digest, error);
    }
}

impl Origin<'_> {
    fn unread(&self, cause: std::io::Error) -> ReleaseError {
        // What is no text is not so because somebody writes it.
        if cause.kind() == std::io::ErrorKind::InvalidData {
            return self.mapping(cause.to_string());
        }
        ReleaseError::MappingUnread {
            place: self.mapping_at.clone(),
            flow: self.flow.to_owned(),
            path: self.mapping_file.clone(),
            cause,
        }
    }

    fn mapping(&self, cause: String) -> ReleaseError {
        ReleaseError::MappingFile {
            place: self.mapping_at.clone(),
            flow: self.flow.to_owned(),
            path: self.mapping_file.clone(),
            cause,
        }
    }
}

/// A release as it is kept from now on.
fn row(flow: &str, manifest: &Manifest, origin: &str, signed_by: Option<String>) -> ReleaseRow {
    ReleaseRow {
        flow: flow.to_owned(),
        digest: manifest.digest(),
        manifest: manifest.text(),
        origin: origin.to_owned(),
        made_at: crate::time::now(),
        signed_by,
    }
}

/// A flow of `tandem.toml`.
fn flow_of<'a>(flow: &str, config: &'a Config) -> Result<&'a FlowConfig> {
    config.flow(flow).map_err(|known| ReleaseError::NoFlow { flow: flow.to_owned(), known })
}

/// What a mapping plugin is called: as its file.
fn name_of(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn named_like_its_file(own: &str, name: &str, path: PathBuf) -> std::result::Result<(), LoadError> {
    if own == name {
        return Ok(());
    }
    Err(LoadError::BadDescription { path, cause: format!("it calls itself {own:?}; name the file {own}.wasm") })
}

/// Refuses settings that the plugin does not take: of what comes, not of what was taken once.
fn check_settings(origin: &Origin<'_>, plugin: &Plugin, settings: &Value) -> Result<()> {
    let problems = plugin.description.problems_of(settings);
    if problems.is_empty() {
        return Ok(());
    }
    let (place, flow) = (origin.settings_at.clone(), origin.flow.to_owned());
    Err(ReleaseError::Settings { place, flow, cause: problems.join("; ") })
}

/// Brings the parts together.
fn assemble(
    origin: &Origin<'_>,
    plugin: Arc<Plugin>,
    mapping: Option<String>,
    mapper: Option<(String, Arc<MapperCode>)>,
    settings: &Value,
) -> Result<Release> {
    let description = &plugin.description;
    let text = mapping.as_ref().unwrap_or(&description.default_mapping);
    let parsed = Mapping::parse_for(text, description.reserved()).map_err(|e| origin.mapping(e.to_string()))?;
    let parsed = match &mapper {
        Some((name, code)) => code.within(parsed).map_err(|cause| ReleaseError::Mapper {
            flow: origin.flow.to_owned(),
            mapper: name.clone(),
            cause,
        })?,
        None => parsed,
    };
    let manifest = Manifest::new(
        Component {
            digest: plugin.digest.clone(),
            name: description.name.clone(),
            version: description.version.clone(),
        },
        mapping.as_ref().map(|text| digest_of(text.as_bytes())),
        mapper.as_ref().map(|(name, code)| Component {
            digest: code.digest.clone(),
            name: name.clone(),
            version: code.description.as_ref().map_or_else(String::new, |own| own.version.clone()),
        }),
        settings,
    );
    Ok(Release {
        digest: manifest.digest(),
        mapping_text: text.clone(),
        manifest,
        plugin,
        mapping: Arc::new(parsed),
        mapper: mapper.map(|(_, code)| code),
    })
}
