//! `cargo +nightly fuzz run message` from `libs/protocol`: arbitrary bytes as a subject and a body.
#![no_main]

mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    entry::judge(bytes);
});
