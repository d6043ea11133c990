//! Contract 0.1.0: flow plugins, and mapping plugins that say nothing of themselves.

#![allow(missing_docs)]

pub mod flow {
    wasmtime::component::bindgen!({
        path: "../wit/0.1.0",
        world: "flow",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

pub mod mapper {
    wasmtime::component::bindgen!({
        path: "../wit/0.1.0",
        world: "mapper",
        imports: { default: async | trappable },
        exports: { default: async },
        with: { "tandem:plugin/log": crate::sandbox::bindings::v0_1::flow::tandem::plugin::log },
    });
}
