//! Whether there is a Docker engine for the tests that need one. Starts no container.

use std::env;
use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// Set to 1 where a missing engine is a failure.
pub(crate) const REQUIRED_BY: &str = "GIGAMESH_REQUIRE_DOCKER";

/// What is missing, if anything is.
pub(crate) fn missing() -> Option<&'static str> {
    if !answers(&["info"]) {
        return Some("no Docker engine answers `docker info`");
    }
    (!answers(&["compose", "version"])).then_some("this docker has no `docker compose`")
}

pub(crate) fn is_required() -> bool {
    demands(env::var_os(REQUIRED_BY).as_deref())
}

fn demands(said: Option<&OsStr>) -> bool {
    said.is_some_and(|said| said == "1")
}

fn answers(words: &[&str]) -> bool {
    let mut command = Command::new("docker");
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_demands_an_engine() {
        assert!(demands(Some(OsStr::new("1"))));
        for lenient in [None, Some(OsStr::new("")), Some(OsStr::new("0"))] {
            assert!(!demands(lenient), "{lenient:?}");
        }
    }
}
