//! What a file is, told by its name alone: its kind, and its content type. Two tables, no more.

use fleet::ArtifactKind;

const PICTURES: [&str; 5] = ["png", "jpg", "jpeg", "webp", "gif"];
const PACKAGES: [&str; 29] = [
    "zip", "tar", "tgz", "gz", "bz2", "xz", "zst", "7z", "rar", "wasm", "exe", "dll", "so",
    "dylib", "a", "jar", "war", "whl", "crate", "gem", "nupkg", "deb", "rpm", "apk", "aab", "ipa",
    "dmg", "msi", "appimage",
];
const COVERAGE_ENDINGS: [&str; 7] = ["xml", "html", "htm", "info", "json", "lcov", "out"];
const COVERAGE_WORDS: [&str; 4] = ["coverage", "lcov", "cobertura", "jacoco"];

const TYPES: [(&str, &str); 26] = [
    ("txt", "text/plain; charset=utf-8"),
    ("log", "text/plain; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("info", "text/plain; charset=utf-8"),
    ("lcov", "text/plain; charset=utf-8"),
    ("diff", "text/plain; charset=utf-8"),
    ("patch", "text/plain; charset=utf-8"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("svg", "image/svg+xml"),
    ("zip", "application/zip"),
    ("gz", "application/gzip"),
    ("tgz", "application/gzip"),
    ("tar", "application/x-tar"),
    ("wasm", "application/wasm"),
];

/// Pictures are screenshots, archives and programs builds, reports whose name or folder says so
/// coverage; everything else is other. A log is what the run said, never a file.
pub(super) fn kind_of(path: &str) -> ArtifactKind {
    let path = path.to_ascii_lowercase();
    let ending = ending_of(&path);
    let of_coverage = COVERAGE_WORDS.iter().any(|word| path.contains(word));
    if PICTURES.contains(&ending) {
        ArtifactKind::Screenshot
    } else if PACKAGES.contains(&ending) {
        ArtifactKind::Build
    } else if of_coverage && COVERAGE_ENDINGS.contains(&ending) {
        ArtifactKind::Coverage
    } else {
        ArtifactKind::Other
    }
}

pub(crate) fn content_type(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let known = TYPES.iter().find(|(ending, _)| *ending == ending_of(&name));
    known.map_or("application/octet-stream", |(_, content_type)| content_type)
}

/// Without one, or where the name is nothing else, it is empty.
fn ending_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map_or("", |(_, ending)| ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_file_is() {
        for (path, kind) in [
            ("shots/Login.PNG", ArtifactKind::Screenshot),
            ("coverage/index.html", ArtifactKind::Coverage),
            ("lcov.info", ArtifactKind::Coverage),
            ("target/cobertura.xml", ArtifactKind::Coverage),
            ("coverage/badge.png", ArtifactKind::Screenshot),
            ("junit.xml", ArtifactKind::Other),
            ("dist/app.tar.gz", ArtifactKind::Build),
            ("app.wasm", ArtifactKind::Build),
            ("zip", ArtifactKind::Other),
            (".gz", ArtifactKind::Other),
            ("run.log", ArtifactKind::Other),
        ] {
            assert_eq!(kind_of(path), kind, "{path}");
        }
    }

    #[test]
    fn a_name_says_how_a_file_is_read() {
        assert_eq!(content_type("a__b.JSON"), "application/json");
        assert_eq!(content_type("a.tar.gz"), "application/gzip");
        assert_eq!(content_type("program"), "application/octet-stream");
    }
}
