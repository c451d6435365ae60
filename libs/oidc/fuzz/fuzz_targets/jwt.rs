//! `cargo +nightly fuzz run jwt` from `libs/oidc`: arbitrary bytes as a token and as a set of keys.
#![no_main]

mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    entry::judge(bytes);
});
