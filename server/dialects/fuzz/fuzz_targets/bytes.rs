#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coditect_dialects::fuzz::bytes(data));
