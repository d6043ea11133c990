//! Contract 0.2.0: mapping plugins that say what they read and set.

#![allow(missing_docs)]

wasmtime::component::bindgen!({
    path: "../wit/0.2.0",
    world: "mapper",
    imports: { default: async | trappable },
    exports: { default: async },
});
