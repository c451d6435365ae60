//! `cargo +nightly fuzz run capability` from `libs/fleet`: two lines, asked and advertised.
#![no_main]

mod grammar;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    grammar::judge(bytes);
});
