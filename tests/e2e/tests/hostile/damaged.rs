//! Files that were damaged on their way, or by somebody: a thousand seeded mutations, each refused or loaded and contained. In this
//! process, so that whatever ended the host would end the test.

use std::path::Path;

use anyhow::Result;
use tandem::sandbox::{Cache, Compiler, LoadError, Runtime};

use crate::raw;

/// Of a small component, which takes little to compile; of the built plugin as many as `TANDEM_MUTATIONS` says.
const OF_THE_SMALL_ONE: usize = 900;
const OF_THE_BUILT_ONE: usize = 100;

/// Bits turned, bytes put in place of others, pieces cut out, doubled or filled, the end cut off.
fn mutated(whole: &[u8], chance: &mut fastrand::Rng) -> Vec<u8> {
    let mut code = whole.to_vec();
    for _ in 0..chance.usize(1..4) {
        let at = chance.usize(..code.len());
        let end = (at + chance.usize(1..64)).min(code.len());
        match chance.u8(..7) {
            0 | 1 => code[at] ^= 1 << chance.u8(..8),
            2 => code[at] = chance.u8(..),
            3 => code[at..end].fill(chance.choice([0, 0x7f, 0x80, 0xff]).unwrap_or_default()),
            4 => drop(code.drain(at..end)),
            5 => {
                let piece = code[at..end].to_vec();
                code.splice(at..at, piece);
            }
            _ => code.truncate(at.max(1)),
        }
    }
    code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_damaged_files_are_refused_or_contained() -> Result<()> {
    let _turn = super::TURNS.acquire().await?;
    let seed = std::env::var("TANDEM_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    println!("TANDEM_SEED={seed}");
    let built = std::env::var("TANDEM_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(OF_THE_BUILT_ONE);
    let mut chance = fastrand::Rng::with_seed(seed);
    let small = raw::component("whole", "", 1, "(func (export \"describe\") (result i32) (call $say))")?;
    let large = raw::hostile("whole", "")?;
    let folder = tempfile::tempdir()?;
    let cache = Cache::new(folder.path().join("compiled"), b"damaged");
    let runtime = Runtime::new(cache, Compiler::Here).map_err(|e| anyhow::anyhow!("{e:#}"))?;
    for whole in [&small, &large] {
        let plugin = runtime.plugin(Path::new("whole.wasm"), whole.clone()).await?;
        assert_eq!(plugin.description.name, "whole");
    }
    let (mut loaded, mut refused) = (0, std::collections::BTreeMap::<&str, usize>::new());
    for n in 0..OF_THE_SMALL_ONE + built {
        let code = mutated(if n < OF_THE_SMALL_ONE { &small } else { &large }, &mut chance);
        let kind = match runtime.plugin(Path::new("damaged.wasm"), code).await {
            Ok(plugin) => {
                assert!(plugin.description.title.len() <= 1_000);
                loaded += 1;
                continue;
            }
            Err(error) => {
                let told = error.to_string();
                crate::assert_plain(&told);
                assert!(told.contains("damaged.wasm"), "{told}");
                match error {
                    LoadError::NotAComponent { .. } => "no component",
                    LoadError::OtherContract { .. } => "another contract",
                    _ => "its description cannot be used",
                }
            }
        };
        *refused.entry(kind).or_default() += 1;
    }
    println!("{loaded} loaded, refused: {refused:?}");
    assert!(loaded > 0 && refused.len() == 3, "the mutations reach every stage: {loaded} {refused:?}");
    let whole = runtime.plugin(Path::new("whole.wasm"), large).await?;
    assert_eq!(whole.description.name, "whole", "the sandbox works as before");
    Ok(())
}
