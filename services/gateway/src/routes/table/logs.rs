//! The lines of the table that are about what a job says.

use protocol::AppendLog;

use super::{HOLDS, Route, Said, VIEWS, Verb};
use crate::routes::log;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Get, "/fleet/jobs/{job}/log"),
            ("readLog", "What a job says: as text, or line by line as it comes with follow"),
            |heard| Box::pin(log::read(heard)),
        )
        .of(VIEWS)
        .asked(&log::QUERY)
        .saying(200, Said::Texts(&["text/plain", "text/event-stream"])),
        Route::new(
            (Verb::Post, "/fleet/jobs/{job}/log"),
            ("appendLog", "The next lines of a run, in its holder's name"),
            |heard| Box::pin(log::append(heard)),
        )
        .of(HOLDS)
        .takes::<AppendLog>(&["jobId"])
        .saying(200, Said::Record),
    ]
}
