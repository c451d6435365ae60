//! `cargo +nightly fuzz run manifest` from `libs/fleet`: arbitrary bytes at both doors.
#![no_main]

mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    entry::judge(bytes);
});
