//! What a table shows of tokens and of people.

use super::{Read, Shape, thin, wide};

pub(crate) const TOKEN: Shape = Shape {
    id: "id",
    columns: &[
        thin("ID", Read::Whole("id")),
        thin("NAME", Read::Text("name")),
        thin("ROLE", Read::Text("role")),
        thin("BEGINS", Read::Text("hint")),
        thin("AGE", Read::Age("createdAt")),
        thin("USED", Read::Age("lastUsedAt")),
        thin("EXPIRES", Read::Text("expiresAt")),
        thin("REPLACED, UNTIL", Read::Text("graceUntil")),
        thin("REVOKED", Read::Age("revokedAt")),
        wide("KIND", Read::Text("kind")),
        wide("YOLO", Read::Text("yolo")),
        wide("CAPABILITIES", Read::Several("capabilities")),
    ],
    fields: &[
        "capabilities",
        "createdAt",
        "expiresAt",
        "factoryId",
        "graceUntil",
        "hint",
        "id",
        "kind",
        "lastUsedAt",
        "name",
        "revoked",
        "revokedAt",
        "role",
        "token",
        "yolo",
    ],
};

pub(crate) const ENROLLED: Shape = Shape {
    id: "factoryId",
    columns: &[
        thin("FACTORY", Read::Text("factoryId")),
        thin("CAPABILITIES", Read::Several("capabilities")),
        thin("EXPIRES", Read::Text("expiresAt")),
    ],
    fields: &["capabilities", "expiresAt", "factoryId", "revoked", "token"],
};

pub(crate) const USER: Shape = Shape {
    id: "id",
    columns: &[
        thin("EMAIL", Read::Text("email")),
        thin("NAME", Read::Text("name")),
        thin("ID", Read::Text("id")),
        thin("PRODUCTS", Read::Several("productIds")),
        thin("TOKEN", Read::Text("hint")),
        thin("FROM", Read::Text("origin")),
    ],
    fields: &["email", "emailVerified", "hint", "id", "name", "origin", "productIds", "roles"],
};

pub(crate) const CODE: Shape = Shape {
    id: "expiresAt",
    columns: &[thin("EXPIRES", Read::Text("expiresAt"))],
    fields: &["expiresAt", "token"],
};

pub(crate) const AUDIT: Shape = Shape {
    id: "id",
    columns: &[
        thin("AGE", Read::Age("at")),
        thin("ACTION", Read::Text("action")),
        thin("RESULT", Read::Text("result")),
        thin("BY", Read::Text("by")),
        thin("ON", Read::Text("target")),
        wide("REQUEST", Read::Text("requestId")),
    ],
    fields: &["action", "actor", "at", "by", "data", "id", "requestId", "result", "target"],
};
