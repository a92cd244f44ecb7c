#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| coditect_store::fuzz::tuple_key(bytes));
