//! Tools that do next to nothing, so that what is around them is measured.

mod bindings {
    #![allow(missing_docs, unsafe_code, reason = "made by the generator")]
    wit_bindgen::generate!({
        path: "../../../../plugins/wit/v1",
        inline: "
            package bench:component;
            world bench {
                import coditect:plugin/settings@1.0.0;
                export coditect:plugin/tools@1.0.0;
            }
        ",
        world: "bench:component/bench",
        generate_all,
    });
}

use bindings::coditect::plugin::settings;
use bindings::exports::coditect::plugin::tools::{Error, Guest};

struct Bench;

impl Guest for Bench {
    fn call(tool: String, arguments: String) -> Result<String, Error> {
        match tool.as_str() {
            // What came in goes out.
            "echo" => Ok(arguments),
            // Asks its host as often as it is told.
            "ask" => {
                let times: u32 = arguments.parse().map_err(|_| Error::Invalid(arguments))?;
                for _ in 0..times {
                    settings::get("mode");
                }
                Ok(String::new())
            }
            // Never ends.
            "spin" => loop {
                std::hint::spin_loop();
            },
            _ => Err(Error::NotFound(tool)),
        }
    }
}

bindings::export!(Bench with_types_in bindings);
