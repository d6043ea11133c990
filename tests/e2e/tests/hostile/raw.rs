//! Plugins that no toolchain would make: the role of a built one changed, and components written by hand.

use anyhow::{Context, Result};
use tandem_e2e::{root, wasm};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The hostile plugin under another name, telling another lie about itself (`tests/plugins/hostile/src/role.rs`).
pub fn hostile(name: &str, lie: &str) -> Result<Vec<u8>> {
    const MARK: &[u8] = b"TANDEM-ROLE=";
    const ROOM: usize = 64;
    let mut code = std::fs::read(wasm("hostile"))?;
    let role = format!("{name} {lie}");
    anyhow::ensure!(role.len() <= ROOM, "{role}: at most {ROOM} letters");
    let at = code.windows(MARK.len()).position(|window| window == MARK).context("hostile.wasm has no role")?;
    let place = &mut code[at + MARK.len()..][..ROOM];
    place.fill(b' ');
    place[..role.len()].copy_from_slice(role.as_bytes());
    Ok(code)
}

/// WASI as far as the components below ask for it.
const WASI: &str = r#"
    package wasi:io@0.2.6 { interface poll { resource pollable { block: func(); } } }
    package wasi:clocks@0.2.6 {
      interface monotonic-clock { use wasi:io/poll@0.2.6.{pollable}; subscribe-duration: func(when: u64) -> pollable; }
    }
    package wasi:random@0.2.6 { interface random { get-random-bytes: func(len: u64) -> list<u8>; } }
    package wasi:cli@0.2.6 { interface exit { exit: func(status: result); } }
    package evil:host@1.0.0 { interface files { read: func(); } }
"#;

/// A component of the world `flow` with these imports besides, whose core module is `items` beside what each needs: a memory of
/// `pages`, `$say`, which gives the description of a plugin called `name`, and `handle`, which traps.
pub fn component(name: &str, imports: &str, pages: u32, items: &str) -> Result<Vec<u8>> {
    let core = format!(
        r#"(module {items}
          (memory (export "memory") {pages})
          (global $free (mut i32) (i32.const 4096))
          (data (i32.const 0) "{name}")
          (data (i32.const 100) "1.0.0")
          (data (i32.const 120) "{{}}")
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (global.set $free (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
            (global.get $free)
            (global.set $free (i32.add (global.get $free) (local.get 3))))
          (func $say (result i32)
            (i32.store (i32.const 204) (i32.const {name_bytes}))
            (i32.store (i32.const 208) (i32.const 100)) (i32.store (i32.const 212) (i32.const 5))
            (i32.store (i32.const 272) (i32.const 120)) (i32.store (i32.const 276) (i32.const 2))
            (i32.const 200))
          (func (export "handle") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable))"#,
        name_bytes = name.len(),
    );
    let mut resolve = Resolve::default();
    resolve.push_dir(root().join("wit/0.1.0"))?;
    resolve.push_str("wasi.wit", &format!("package test:wasi;\n{WASI}"))?;
    let world = format!("package test:raw;\nworld raw {{ include tandem:plugin/flow@0.1.0; {imports} }}");
    let package = resolve.push_str("raw.wit", &world)?;
    let world = resolve.select_world(&[package], Some("raw"))?;
    let mut module = wat::parse_str(&core)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().module(&module)?.encode()
}
