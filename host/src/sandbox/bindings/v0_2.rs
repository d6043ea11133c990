//! Contract 0.2.0: mapping plugins that say what they read and set, and flow plugins that say how their records are compared, and that offer tools.

#![allow(missing_docs)]

wasmtime::component::bindgen!({
    path: "../wit/0.2.0",
    world: "mapper",
    imports: { default: async | trappable },
    exports: { default: async },
});

/// What a flow plugin of 0.1.0 may offer beside.
pub mod reconciling {
    wasmtime::component::bindgen!({
        path: "../wit/0.2.0",
        world: "reconciling",
        exports: { default: async },
    });

    /// The name of the interface that it exports.
    pub const NAME: &str = "tandem:plugin/reconcile@0.2.0";
}

/// What a flow plugin of 0.1.0 may offer beside, too.
pub mod tooling {
    wasmtime::component::bindgen!({
        path: "../wit/0.2.0",
        world: "tooling",
        exports: { default: async },
    });

    /// The name of the interface that it exports.
    pub const NAME: &str = "tandem:plugin/tools@0.2.0";
}
