//! Generated from `wit/`: contract 0.1.0. A newer contract gets a module beside this one.

#![allow(missing_docs)]

pub mod flow {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "flow",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

pub mod mapper {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "mapper",
        imports: { default: async | trappable },
        exports: { default: async },
        with: { "tandem:plugin/log": super::flow::tandem::plugin::log },
    });
}
