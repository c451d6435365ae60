//! How profiles are shown.

use super::{Read, Shape, thin, wide};

pub(crate) const PROFILE: Shape = Shape {
    id: "name",
    columns: &[
        thin("PROFILE", Read::Text("name")),
        thin("NEWEST", Read::Text("version")),
        thin("VERSIONS", Read::Text("versions")),
        thin("ENGINE", Read::Text("engine")),
        thin("AGE", Read::Age("createdAt")),
        wide("MODEL", Read::Text("model")),
    ],
    fields: &["createdAt", "engine", "model", "name", "version", "versions"],
};

/// Told by all its members: what it may say depends on its engine.
pub(crate) const VERSION: Shape = Shape {
    id: "id",
    columns: &[],
    fields: &["createdAt", "id", "name", "productId", "rev", "snapshot", "updatedAt", "version"],
};

pub(crate) const STANDS: Shape = Shape {
    id: "profile/id",
    columns: &[
        thin("OUTCOME", Read::Text("outcome")),
        thin("PROFILE", Read::Text("profile/name")),
        thin("VERSION", Read::Text("profile/version")),
        thin("ENGINE", Read::Text("profile/snapshot/engine")),
    ],
    fields: &["outcome", "profile"],
};
