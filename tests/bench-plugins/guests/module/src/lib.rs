//! What came in goes out, as a plugin of Extism.

use extism_pdk::{FnResult, plugin_fn};

#[plugin_fn]
pub fn echo(input: String) -> FnResult<String> {
    Ok(input)
}
