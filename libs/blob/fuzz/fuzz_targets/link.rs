//! `cargo +nightly fuzz run link` from `libs/blob`: arbitrary bytes as the address of a blob.
#![no_main]

mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    entry::judge(bytes);
});
