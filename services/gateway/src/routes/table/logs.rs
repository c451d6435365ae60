//! The lines of the table that are about what a job says.

use protocol::{AppendLog, LogPiece};

use super::{Route, Said, Verb};
use crate::routes::log;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Get, "/fleet/jobs/{job}/log"),
            ("readLog", "What a job says: as text, or line by line as it comes with follow"),
            |heard| Box::pin(log::read(heard)),
        )
        .for_role("a viewer")
        .asked(&log::QUERY)
        .saying(
            200,
            Said::TextOrStream("text/plain", |schemas| schemas.subschema_for::<LogPiece>()),
        ),
        Route::new(
            (Verb::Post, "/fleet/jobs/{job}/log"),
            ("appendLog", "The next lines of a run, in its holder's name"),
            |heard| Box::pin(log::append(heard)),
        )
        .for_role("the holder")
        .takes::<AppendLog>(&["jobId"])
        .saying(200, Said::Record),
    ]
}
