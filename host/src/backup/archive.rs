//! The file: a tar within zstd, which any tool unpacks, with a manifest at its head that names every part with its digest. One that is cut short
//! or changed anywhere is refused.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::{BackupError, Step, Told, at};
use crate::store::Millis;
use crate::store::trail::Head;

/// The manifest's name in the archive.
const MANIFEST: &str = "manifest.json";
/// The database's name there.
pub const DATABASE: &str = "tandem.db";
/// What `kind` of a manifest says.
const KIND: &str = "tandem backup";
/// Bytes of a manifest: it names some dozens of files.
const MOST_MANIFEST: u64 = 1 << 20;
/// Bytes of a part that is read by itself.
const MOST_PART: u64 = 16 << 20;
/// Level of compression: a database of texts takes a fifth, in little time.
const LEVEL: i32 = 3;

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always the same: tells a backup from other archives.
    pub kind: String,
    /// When it was made, milliseconds since 1970 UTC.
    pub made_at: Millis,
    /// The same for people.
    pub made: String,
    /// Of the program that made it.
    pub tandem: String,
    /// Of the database.
    pub format: i64,
    /// The machine it was made on.
    pub machine: String,
    /// Where the database lay there.
    pub database: PathBuf,
    /// Tells the backups of one host from those of others, whatever its machine is called; none in those of before this was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Events by flow and state.
    pub events: BTreeMap<String, BTreeMap<String, u64>>,
    /// Pairs of records.
    pub links: u64,
    /// Ids of the keys that its values are sealed with: the keys are not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// The end of its audit trail: `tandem audit verify --head` finds it in any later one of the same host, unless that was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Head>,
    /// What is in it.
    pub parts: Vec<Part>,
    /// Secrets and certificates, which are not: where `tandem.toml` says that each is kept.
    pub left_out: Vec<String>,
}

/// One file in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name there.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
}

/// What becomes a part.
pub enum Source {
    /// A file, however large.
    File(PathBuf),
    /// Bytes as they were read.
    Bytes(Vec<u8>),
}

impl Source {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::File(path) => Box::new(BufReader::new(File::open(path)?)),
            Self::Bytes(bytes) => Box::new(bytes.as_slice()),
        })
    }

    /// As the manifest names it.
    pub fn part(&self, name: &str) -> io::Result<Part> {
        let (bytes, sha256) = copied(&mut self.open()?, &mut io::sink(), u64::MAX, &|_| {})?;
        Ok(Part { name: name.to_owned(), bytes, sha256 })
    }
}

impl Manifest {
    /// Kind and time, with nothing in it.
    pub fn new(made_at: Millis) -> Self {
        Self {
            kind: KIND.into(),
            made_at,
            made: crate::time::iso(made_at),
            tandem: env!("CARGO_PKG_VERSION").into(),
            format: 0,
            machine: whoami::hostname().unwrap_or_else(|_| "unknown".into()),
            database: PathBuf::new(),
            host: None,
            events: BTreeMap::new(),
            links: 0,
            keys: Vec::new(),
            audit: None,
            parts: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Of a backup, without the rest of it.
    pub fn of(file: &Path) -> Result<Self, BackupError> {
        let mut archive = open(file)?;
        let mut entries = archive.entries().map_err(damaged(file))?;
        let first = entries.next().ok_or("it is empty").map_err(damaged(file))?;
        read_manifest(file, first)
    }

    /// Of the same host: also where its machine was renamed, or its folder moved.
    pub fn is_of_same_host(&self, other: &Self) -> bool {
        match (&self.host, &other.host) {
            (Some(own), Some(others)) => own == others,
            _ => self.machine == other.machine && self.database == other.database,
        }
    }

    /// What it comes to when it is unpacked.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}

type Archive = tar::Archive<zstd::Decoder<'static, BufReader<File>>>;

fn open(file: &Path) -> Result<Archive, BackupError> {
    let opened = File::open(file).map_err(at(file))?;
    Ok(tar::Archive::new(zstd::Decoder::new(opened).map_err(damaged(file))?))
}

fn damaged<E: ToString>(file: &Path) -> impl Fn(E) -> BackupError {
    let file = file.to_owned();
    move |error| BackupError::Damaged { file: file.clone(), why: error.to_string() }
}

fn read_manifest<R: Read>(file: &Path, entry: io::Result<tar::Entry<'_, R>>) -> Result<Manifest, BackupError> {
    let entry = entry.map_err(damaged(file))?;
    if entry.path().map_or(true, |path| *path != *Path::new(MANIFEST)) {
        return Err(damaged(file)("it does not begin with a manifest: it is no backup of Tandem"));
    }
    let mut text = String::new();
    entry.take(MOST_MANIFEST).read_to_string(&mut text).map_err(damaged(file))?;
    let manifest: Manifest = serde_json::from_str(&text).map_err(damaged(file))?;
    if manifest.kind != KIND {
        return Err(damaged(file)("its manifest is that of something else"));
    }
    Ok(manifest)
}

/// Writes an archive; on return all of it is on the disk.
pub fn write(file: &File, manifest: &Manifest, parts: &[(String, Source)], told: &Told) -> io::Result<()> {
    let mut packing = zstd::Encoder::new(BufWriter::new(file), LEVEL)?;
    packing.include_checksum(true)?;
    let mut archive = tar::Builder::new(packing);
    let text = serde_json::to_vec_pretty(manifest)?;
    append(&mut archive, MANIFEST, text.len() as u64, manifest.made_at, &mut text.as_slice())?;
    let (mut done, of) = (0, manifest.bytes());
    for (part, (name, source)) in manifest.parts.iter().zip(parts) {
        let mut counted = Counted { inner: source.open()?, done, of, told, step: Step::Packing };
        append(&mut archive, name, part.bytes, manifest.made_at, &mut counted)?;
        done = counted.done;
    }
    let mut written = archive.into_inner()?.finish()?;
    written.flush()?;
    drop(written);
    file.sync_all()
}

fn append(
    archive: &mut tar::Builder<impl Write>,
    name: &str,
    bytes: u64,
    made_at: Millis,
    content: &mut dyn Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime((made_at / 1_000).unsigned_abs());
    archive.append_data(&mut header, name, content)
}

/// Unpacks an archive into a folder, each part under its name there; all of them as the manifest says, or an error.
pub fn unpack(file: &Path, into: &Path, told: &Told) -> Result<Manifest, BackupError> {
    let mut archive = open(file)?;
    let mut entries = archive.entries().map_err(damaged(file))?;
    let first = entries.next().ok_or("it is empty").map_err(damaged(file))?;
    let manifest = read_manifest(file, first)?;
    let of = manifest.bytes();
    let mut done = 0;
    let mut left: BTreeMap<&str, &Part> = manifest.parts.iter().map(|part| (part.name.as_str(), part)).collect();
    for entry in entries {
        let mut entry = entry.map_err(damaged(file))?;
        let name = entry.path().map_err(damaged(file))?.to_string_lossy().into_owned();
        let Some(part) = left.remove(name.as_str()).filter(|part| is_within(&part.name)) else {
            return Err(damaged(file)(format!("{name} is not in its manifest")));
        };
        let target = into.join(&part.name);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).map_err(at(folder))?;
        }
        let mut written = fresh(&target).map_err(at(&target))?;
        let before = done;
        let (bytes, sha256) =
            match copied(&mut entry, &mut written, part.bytes, &|now| told(Step::Trying, before + now, of)) {
                Ok(copied) => copied,
                // What is read is damaged; what is written finds no room.
                Err(error) if is_of_the_disk(&error) => return Err(BackupError::File(target, error)),
                Err(error) => return Err(damaged(file)(format!("{name}: {error}"))),
            };
        done += bytes;
        if (bytes, sha256.as_str()) != (part.bytes, part.sha256.as_str()) {
            return Err(damaged(file)(format!("{name} is not what was put into it")));
        }
    }
    if let Some(name) = left.into_keys().next() {
        return Err(damaged(file)(format!("{name} is missing")));
    }
    // The checksum stands at the very end.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged(file))?;
    Ok(manifest)
}

/// One part of an archive, which is small.
pub fn part(file: &Path, name: &str) -> Result<Vec<u8>, BackupError> {
    let mut archive = open(file)?;
    let mut entries = archive.entries().map_err(damaged(file))?;
    let first = entries.next().ok_or("it is empty").map_err(damaged(file))?;
    let manifest = read_manifest(file, first)?;
    for entry in entries {
        let mut entry = entry.map_err(damaged(file))?;
        let is_it = entry.path().is_ok_and(|path| *path == *Path::new(name));
        let Some(part) = manifest.parts.iter().find(|part| is_it && part.name == name) else { continue };
        let mut content = Vec::new();
        let read = copied(&mut entry, &mut content, MOST_PART, &|_| {}).map_err(damaged(file))?;
        if read != (part.bytes, part.sha256.clone()) {
            return Err(damaged(file)(format!("{name} is not what was put into it")));
        }
        return Ok(content);
    }
    Err(damaged(file)(format!("{name} is missing")))
}

/// A name that leads nowhere but into the folder.
fn is_within(name: &str) -> bool {
    let path = Path::new(name);
    !name.is_empty() && !name.contains('\\') && path.components().all(|part| matches!(part, Component::Normal(_)))
}

fn is_of_the_disk(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied)
}

/// A file that its user alone may read. On Windows it has the rights of its folder.
pub fn fresh(path: &Path) -> io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Copies all of it, but no more than `most`, and says how much it was and its digest.
fn copied(from: &mut dyn Read, into: &mut dyn Write, most: u64, told: &dyn Fn(u64)) -> io::Result<(u64, String)> {
    let mut from = from.take(most);
    let mut buffer = vec![0; 256 << 10];
    let (mut digest, mut bytes) = (Context::new(&SHA256), 0);
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        digest.update(&buffer[..read]);
        into.write_all(&buffer[..read])?;
        bytes += read as u64;
        told(bytes);
    }
    into.flush()?;
    Ok((bytes, digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Tells how far the reading is.
struct Counted<'a, R> {
    inner: R,
    done: u64,
    of: u64,
    told: &'a Told,
    step: Step,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.done += read as u64;
        (self.told)(self.step, self.done, self.of);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn silent() -> Told {
        Arc::new(|_, _, _| {})
    }

    /// An archive of two parts.
    fn archive(folder: &Path) -> PathBuf {
        let parts = vec![
            ("tandem.db".to_owned(), Source::Bytes(vec![7; 30_000])),
            ("plugins/a.wasm".to_owned(), Source::Bytes(b"wasm".to_vec())),
        ];
        let mut manifest = Manifest::new(1_767_225_600_000);
        manifest.parts = parts.iter().map(|(name, source)| source.part(name).unwrap()).collect();
        let path = folder.join("a.tar.zst");
        write(&fresh(&path).unwrap(), &manifest, &parts, &silent()).unwrap();
        path
    }

    fn refused(file: &Path) -> String {
        let into = tempfile::tempdir().unwrap();
        let error = unpack(file, into.path(), &silent()).unwrap_err();
        assert!(matches!(error, BackupError::Damaged { .. }), "{error}");
        error.to_string()
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = archive(folder.path());
        let into = tempfile::tempdir().unwrap();
        let manifest = unpack(&file, into.path(), &silent()).unwrap();
        assert_eq!(Manifest::of(&file).unwrap(), manifest);
        assert_eq!(std::fs::read(into.path().join("tandem.db")).unwrap(), vec![7; 30_000]);
        assert_eq!(std::fs::read(into.path().join("plugins/a.wasm")).unwrap(), b"wasm");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            for path in [file, into.path().join("tandem.db")] {
                assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
            }
        }
    }

    #[test]
    fn one_that_is_cut_short_or_changed_anywhere_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = archive(folder.path());
        let whole = std::fs::read(&file).unwrap();
        for keep in 0..whole.len() {
            std::fs::write(&file, &whole[..keep]).unwrap();
            assert!(refused(&file).contains("a.tar.zst"), "{keep}");
        }
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0x55;
            std::fs::write(&file, &changed).unwrap();
            let into = tempfile::tempdir().unwrap();
            // A bit of the frame's head may say nothing that is read; then all comes out as it was.
            if let Ok(manifest) = unpack(&file, into.path(), &silent()) {
                assert_eq!(std::fs::read(into.path().join(&manifest.parts[0].name)).unwrap(), vec![7; 30_000]);
            }
        }
        std::fs::write(&file, b"no archive").unwrap();
        refused(&file);
    }

    #[test]
    fn an_archive_of_something_else_and_one_that_leads_out_of_its_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("other.tar.zst");
        let packed = |named: &[(&str, &[u8])]| {
            let mut archive = tar::Builder::new(zstd::Encoder::new(File::create(&file).unwrap(), 1).unwrap());
            for (name, bytes) in named {
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
                header.set_cksum();
                archive.append(&header, *bytes).unwrap();
            }
            archive.into_inner().unwrap().finish().unwrap();
        };
        packed(&[("letters.txt", b"x")]);
        assert!(refused(&file).contains("no backup of Tandem"));
        for name in ["../out", "/etc/out", "a/../../out"] {
            let mut manifest = Manifest::new(0);
            manifest.parts = vec![Source::Bytes(b"x".to_vec()).part(name).unwrap()];
            packed(&[(MANIFEST, &serde_json::to_vec(&manifest).unwrap()), (name, b"x")]);
            assert!(refused(&file).contains("not in its manifest"), "{name}");
        }
    }
}
