//! Finds a faster linker on this machine. Never required, so no committed file names one.

use std::env;
use std::path::PathBuf;

/// The flag for the compiler, unless flags were set from outside or nothing faster is there.
pub(crate) fn flags() -> Option<String> {
    if !cfg!(target_os = "linux") || env::var_os("RUSTFLAGS").is_some() {
        return None;
    }
    let linkers = [("mold", "mold"), ("ld.lld", "lld")];
    let (_, name) = linkers.into_iter().find(|(program, _)| on_path(program).is_some())?;
    Some(format!("-Clink-arg=-fuse-ld={name}"))
}

/// Where the program lies, if it is on the search path.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
