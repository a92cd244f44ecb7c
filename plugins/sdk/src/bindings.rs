//! What `wit-bindgen` makes of the contract: the only place with unsafe code.
//!
//! The imports and the types that all share are one world; what of it a plugin does not use is no part of its component. Each interface
//! that a plugin may offer is a world of its own, so that a component exports no more than [`crate::plugin!`] was told.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "it is generated"
)]

wit_bindgen::generate!({
    path: "wit",
    world: "coditect:plugin/imports@1.0.0",
    additional_derives: [PartialEq],
});

/// Modules with the trait of an interface and a macro `export`. World names are those of the macros behind it, so each has another.
macro_rules! offers {
    ($($name:ident: $world:literal;)*) => {$(
        pub mod $name {
            wit_bindgen::generate!({
                path: "wit",
                inline: $world,
                with: { "coditect:plugin/types@1.0.0": crate::bindings::coditect::plugin::types },
                additional_derives: [PartialEq],
                pub_export_macro: true,
            });
            pub use exports::coditect::plugin::$name::*;
        }
    )*};
}

offers! {
    commands: "package coditect:offers; world commands { export coditect:plugin/commands@1.0.0; }";
    formatters: "package coditect:offers; world formatters { export coditect:plugin/formatters@1.0.0; }";
    diagnostics: "package coditect:offers; world diagnostics { export coditect:plugin/diagnostics@1.0.0; }";
    tools: "package coditect:offers; world tools { export coditect:plugin/tools@1.0.0; }";
    participants: "package coditect:offers; world participants { export coditect:plugin/participants@1.0.0; }";
    filters: "package coditect:offers; world filters { export coditect:plugin/filters@1.0.0; }";
    providers: "package coditect:offers; world providers { export coditect:plugin/providers@1.0.0; }";
    hooks: "package coditect:offers; world hooks { export coditect:plugin/hooks@1.0.0; }";
    build_steps: "package coditect:offers; world build-steps { export coditect:plugin/build-steps@1.0.0; }";
    views: "package coditect:offers; world views { export coditect:plugin/views@1.0.0; }";
    status_items: "package coditect:offers; world status-items { export coditect:plugin/status-items@1.0.0; }";
}
