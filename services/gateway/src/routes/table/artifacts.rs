//! The lines of the table that are about artifacts and their bytes.

use protocol::{ArtifactPage, BeginArtifact, Begun, CommitArtifact, Linked, RemoveArtifact};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{Body, OPERATES_OR_HOLDS, Route, Said, VIEWS, Verb};
use crate::routes::{artifacts, blobs};

/// What a form has, and what stands for it in JSON.
pub(crate) fn uploads(schemas: &mut SchemaGenerator) -> (Schema, Schema) {
    (artifacts::Form::json_schema(schemas), artifacts::Inline::json_schema(schemas))
}

pub(super) fn routes() -> Vec<Route> {
    let mut routes = of_jobs();
    routes.extend(of_one());
    routes.extend(bytes());
    routes
}

fn of_jobs() -> Vec<Route> {
    vec![
        Route::flowing(
            (Verb::Post, "/fleet/jobs/{job}/artifacts"),
            ("uploadArtifact", "Brings an artifact of a job: a form with its file, or JSON"),
            |flowing| Box::pin(artifacts::upload(flowing)),
        )
        .of(OPERATES_OR_HOLDS)
        .asked(&artifacts::UPLOAD)
        .taking(Body::Upload)
        .says::<Linked>(201),
        Route::new(
            (Verb::Get, "/fleet/jobs/{job}/artifacts"),
            ("listArtifacts", "The artifacts of a job, the newest first, without links"),
            |heard| Box::pin(artifacts::list(heard)),
        )
        .of(VIEWS)
        .asked(&artifacts::LIST)
        .says::<ArtifactPage>(200),
        Route::new(
            (Verb::Post, "/fleet/jobs/{job}/artifacts/begin"),
            ("beginArtifact", "Gives a link by which the bytes are brought to the blob store"),
            |heard| Box::pin(artifacts::begin(heard)),
        )
        .of(OPERATES_OR_HOLDS)
        .takes::<BeginArtifact>(&["direct", "jobId"])
        .says::<Begun>(201),
    ]
}

fn of_one() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Get, "/fleet/artifacts/{artifact}"),
            ("getArtifact", "One artifact, with a link to its bytes that is made for this answer"),
            |heard| Box::pin(artifacts::one(heard)),
        )
        .of(VIEWS)
        .says::<Linked>(200),
        Route::new(
            (Verb::Delete, "/fleet/artifacts/{artifact}"),
            ("removeArtifact", "Removes an artifact and its bytes"),
            |heard| Box::pin(artifacts::remove(heard)),
        )
        .of(OPERATES_OR_HOLDS)
        .noted("artifact.remove")
        .takes::<RemoveArtifact>(&["artifactId"])
        .saying(204, Said::Nothing),
        Route::new(
            (Verb::Post, "/fleet/artifacts/{artifact}/commit"),
            ("commitArtifact", "The bytes were brought by a link: they are read again and counted"),
            |heard| Box::pin(artifacts::commit(heard)),
        )
        .of(OPERATES_OR_HOLDS)
        .takes::<CommitArtifact>(&["artifactId"])
        .says::<Linked>(200),
    ]
}

/// Open to whoever has a link that was signed here.
fn bytes() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Get, "/fleet/blobs/{*key}"),
            ("readBlob", "The bytes that a link leads to, or one range of them"),
            |heard| Box::pin(blobs::read(heard)),
        )
        .saying(200, Said::Bytes)
        .saying(206, Said::Bytes),
        Route::flowing(
            (Verb::Put, "/fleet/blobs/{*key}"),
            ("writeBlob", "Brings the bytes that a link asks for, once"),
            |flowing| Box::pin(blobs::write(flowing)),
        )
        .taking(Body::Bytes)
        .saying(201, Said::Nothing),
    ]
}
