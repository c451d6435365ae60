//! The laws in memory and on disk, and what only this crate can be asked.

mod bounded;
mod full;
mod killed;
mod links;
mod staging;

use std::sync::Arc;

use clock::System;
use tempfile::TempDir;

use crate::Blobs;

mod in_memory {
    async fn make() -> (crate::Blobs, ()) {
        (super::memory(), ())
    }

    crate::conformance!(make);
}

mod on_disk {
    async fn make() -> (crate::Blobs, tempfile::TempDir) {
        super::disk()
    }

    crate::conformance!(make);
}

fn memory() -> Blobs {
    Blobs::memory(Arc::new(System::start()))
}

fn disk() -> (Blobs, TempDir) {
    let place = tempfile::tempdir().unwrap();
    (at(&place), place)
}

fn at(place: &TempDir) -> Blobs {
    Blobs::disk(place.path(), Arc::new(System::start())).unwrap()
}
