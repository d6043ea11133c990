//! A release as one file that goes from host to host, and into git: text that people read (what it is, its settings, its mapping), the components
//! behind it, and a signature at the end.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Manifest;
use crate::sandbox::digest_of;
use crate::store::Content;

/// The line behind which the signature stands.
const SIGNATURE: &str = "\n-- signature --\n";
/// Letters of one line of a component.
const WIDTH: usize = 120;
/// Bytes of one part at most: what a file from elsewhere may make this host keep in memory.
const MOST_BYTES: u64 = 256 << 20;
/// Bytes of a file at most: three parts, each larger packed than it may be unpacked.
const MOST_FILE: u64 = 3 * (MOST_BYTES / 3 * 4 + (1 << 20));

/// A release on its way.
#[derive(Debug, PartialEq)]
pub struct Parcel {
    /// The flow it was exported of.
    pub flow: String,
    /// What it is made of.
    pub manifest: Manifest,
    /// Its parts, by their digests.
    pub contents: BTreeMap<String, Vec<u8>>,
}

/// As it stands in the file. What is readable comes first.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// `tandem release 1`
    format: String,
    flow: String,
    release: String,
    manifest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mapping: Option<String>,
    /// zstd, base64, by digest.
    components: BTreeMap<String, String>,
}

const FORMAT: &str = "tandem release 1";

impl Parcel {
    /// The text to be signed.
    pub fn text(&self) -> Result<String, String> {
        let mapping = self.manifest.mapping.as_ref().and_then(|digest| self.contents.get(digest));
        let mapping = mapping.map(|text| String::from_utf8(text.clone()).map_err(|_| "its mapping is not UTF-8"));
        let mut components = BTreeMap::new();
        for (digest, bytes) in &self.contents {
            if self.manifest.mapping.as_ref() == Some(digest) {
                continue;
            }
            let packed = zstd::encode_all(bytes.as_slice(), 12).map_err(|e| e.to_string())?;
            let lines: Vec<String> = STANDARD
                .encode(packed)
                .as_bytes()
                .chunks(WIDTH)
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect();
            components.insert(digest.clone(), lines.join("\n"));
        }
        let written = Written {
            format: FORMAT.into(),
            flow: self.flow.clone(),
            release: self.manifest.digest(),
            manifest: self.manifest.text(),
            mapping: mapping.transpose()?,
            components,
        };
        toml::to_string_pretty(&written).map_err(|e| e.to_string())
    }

    /// A text and its signature, as one file.
    pub fn sealed(text: &str, signature: Option<&str>) -> String {
        match signature {
            Some(signature) => format!("{}{SIGNATURE}{signature}", text.trim_end()),
            None => text.to_owned(),
        }
    }

    /// The text of a file; line ends that a mail program or git has turned into Windows' are turned back, since what was signed has none of them.
    pub fn read(path: &Path) -> std::io::Result<String> {
        let size = std::fs::metadata(path)?.len();
        if size > MOST_FILE {
            let why = format!("{size} bytes: no release is larger than {MOST_FILE}");
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, why));
        }
        let text = std::fs::read_to_string(path)?;
        Ok(if text.starts_with(&format!("format = \"{FORMAT}\"\r\n")) { text.replace("\r\n", "\n") } else { text })
    }

    /// What was signed, and the signature.
    pub fn opened(file: &str) -> (&str, Option<&str>) {
        match file.rsplit_once(SIGNATURE) {
            Some((text, signature)) => (text, Some(signature)),
            None => (file, None),
        }
    }

    /// Reads what may come from anywhere: each part must be what its digest says.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with("format = ") {
            return Err("it is no release that `tandem release export` wrote".into());
        }
        let cut = |e: toml::de::Error| format!("{}; where its end lacks, export and copy it again", e.message());
        let written: Written = toml::from_str(text).map_err(cut)?;
        if written.format != FORMAT {
            return Err(format!("its format is {:?}; this tandem reads {FORMAT:?}", written.format));
        }
        let manifest = Manifest::parse(&written.manifest)?;
        if manifest.digest() != written.release || manifest.text() != written.manifest {
            return Err("it is not the release whose digest it names".into());
        }
        let mut contents = BTreeMap::new();
        for (digest, packed) in &written.components {
            // Nothing is unpacked that the manifest does not name.
            if !manifest.parts().any(|part| part == digest) {
                return Err(format!("its part {digest} belongs to nothing"));
            }
            let packed: String = packed.split_whitespace().collect();
            let packed = STANDARD.decode(packed).map_err(|e| format!("a component cannot be read: {e}"))?;
            contents.insert(digest.clone(), unpacked(&packed)?);
        }
        if let (Some(digest), Some(text)) = (&manifest.mapping, written.mapping) {
            contents.insert(digest.clone(), text.into_bytes());
        }
        if let Some((digest, _)) = contents.iter().find(|(digest, bytes)| digest_of(bytes) != **digest) {
            return Err(format!(
                "its part {digest} is not what its digest says: it was changed, or damaged on its way; export and copy it again"
            ));
        }
        if let Some(lacks) = manifest.parts().find(|digest| !contents.contains_key(*digest)) {
            return Err(format!("its part {lacks} is not in it"));
        }
        Ok(Self { flow: written.flow, manifest, contents })
    }

    /// The parts, to be kept.
    pub fn into_contents(self) -> Vec<Content> {
        self.contents.into_iter().map(|(digest, bytes)| Content { digest, bytes }).collect()
    }
}

fn unpacked(packed: &[u8]) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let failed = |e: std::io::Error| format!("a component cannot be unpacked: {e}");
    let mut bytes = Vec::new();
    zstd::Decoder::new(packed).map_err(failed)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("a component of more than {MOST_BYTES} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Component;
    use super::*;

    fn parcel() -> Parcel {
        let (code, mapping) =
            (vec![7_u8; 5_000], b"\nversion = 1\r\n[header]\nComments = \"'a \\\"b\\\"'\"\n".to_vec());
        let plugin = Component { digest: digest_of(&code), name: "orders".into(), version: "1.0.0".into() };
        let manifest = Manifest::new(plugin, Some(digest_of(&mapping)), None, &json!({ "warehouse": "01" }));
        let contents = [code, mapping].into_iter().map(|part| (digest_of(&part), part)).collect();
        Parcel { flow: "orders".into(), manifest, contents }
    }

    #[test]
    fn line_ends_of_windows_are_none_of_a_release() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("orders.release");
        let sealed = Parcel::sealed(&parcel().text().unwrap(), Some("untrusted comment: x\nRWQ\n"));
        std::fs::write(&file, sealed.replace('\n', "\r\n")).unwrap();
        assert_eq!(Parcel::read(&file).unwrap(), sealed);
        assert_eq!(Parcel::parse(Parcel::opened(&sealed).0).unwrap(), parcel());
        assert!(Parcel::parse("[flows.orders]\n").unwrap_err().contains("no release"));
    }

    #[test]
    fn what_is_written_is_read_again_its_text_readable_and_nothing_else_is_taken() {
        let text = parcel().text().unwrap();
        assert!(text.contains("[header]") && text.contains("warehouse"), "{text}");
        assert_eq!(Parcel::parse(&text).unwrap(), parcel());
        let sealed = Parcel::sealed(&text, Some("untrusted comment: x\nRWQ\n"));
        let (signed, signature) = Parcel::opened(&sealed);
        assert_eq!((signed, signature), (text.trim_end(), Some("untrusted comment: x\nRWQ\n")));
        assert_eq!(Parcel::parse(signed).unwrap(), parcel());
        assert_eq!(Parcel::opened(&text), (text.as_str(), None));

        let more = format!("{text}\n{} = \"KLUv/QBYAQAAeA==\"\n", "0".repeat(64));
        assert!(Parcel::parse(&more).unwrap_err().contains("belongs to nothing"));
        let forged = [
            text.replace("[header]", "[hreader]"),
            text.replace("warehouse", "warehause"),
            text.replace("tandem release 1", "tandem release 2"),
            text.lines().filter(|line| !line.starts_with("mapping")).collect::<Vec<_>>().join("\n"),
        ];
        for forged in forged {
            assert!(Parcel::parse(&forged).is_err(), "{forged}");
        }
    }
}
