//! The lines of the table that are about jobs and those who hold them.

use protocol::{
    AddChildren, Added, ClaimWork, Found, Granted, JobView, Listed, Operated, PatchJob, Planned,
    Receipt, ReleaseJob, RenewAnswer, RenewLeases, Renewed, ReportProgress,
};

use super::{Body, HOLDS, OPERATES, PRODUCES, Route, Said, VIEWS, VIEWS_OR_HOLDS, Verb};
use crate::routes::{events, hold, jobs, operate, read};

pub(super) fn routes() -> Vec<Route> {
    let parts = [of_jobs(), about_one_job(), on_jobs(), of_holders()];
    parts.into_iter().flatten().collect()
}

fn of_jobs() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Post, "/fleet/jobs"),
            ("submitJob", "Takes a job in: created, found as it is, or replaced"),
            |heard| Box::pin(jobs::submit(heard)),
        )
        .of(PRODUCES)
        .asked(&jobs::SUBMIT)
        .taking(Body::Submission)
        .says::<Receipt>(201)
        .says::<Receipt>(200),
        Route::new(
            (Verb::Get, "/fleet/jobs"),
            ("listJobs", "Jobs, the newest first, a page at a time"),
            |heard| Box::pin(jobs::list(heard)),
        )
        .of(VIEWS)
        .asked(&jobs::LIST)
        .says::<Listed>(200),
        Route::new(
            (Verb::Post, "/fleet/jobs/plan"),
            ("planJob", "Tells what would come of a submission; nothing is written"),
            |heard| Box::pin(jobs::plan(heard)),
        )
        .of(PRODUCES)
        .taking(Body::Submission)
        .says::<Planned>(200),
        Route::new(
            (Verb::Post, "/fleet/jobs/{job}/children"),
            ("addChildren", "Gives more children to a composite that still waits"),
            |heard| Box::pin(jobs::add_children(heard)),
        )
        .of(PRODUCES)
        .takes::<AddChildren>(&["jobId", "yolo"])
        .says::<Added>(201),
        Route::new(
            (Verb::Get, "/fleet/events"),
            ("followEvents", "Events as they happen, as server-sent events"),
            |heard| Box::pin(events::follow(heard)),
        )
        .of(VIEWS)
        .asked(&events::FILTERS)
        .saying(200, Said::Text("text/event-stream")),
    ]
}

fn about_one_job() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Get, "/fleet/jobs/{job}"),
            ("getJob", "One job, with its revision as ETag"),
            |heard| Box::pin(read::job(heard)),
        )
        .of(VIEWS_OR_HOLDS)
        .says::<JobView>(200)
        .saying(304, Said::Nothing),
        Route::new(
            (Verb::Get, "/fleet/jobs/{job}/why"),
            ("whyJob", "What keeps a job from moving, or what it is doing"),
            |heard| Box::pin(read::why(heard)),
        )
        .of(VIEWS)
        .saying(200, Said::Record),
        Route::new(
            (Verb::Get, "/fleet/jobs/{job}/runs"),
            ("listRuns", "The runs of a job, the newest first"),
            |heard| Box::pin(read::runs(heard)),
        )
        .of(VIEWS)
        .says::<Found>(200),
        Route::new(
            (Verb::Get, "/fleet/jobs/{job}/events"),
            ("listEvents", "All that happened to a job, in order"),
            |heard| Box::pin(read::events(heard)),
        )
        .of(VIEWS)
        .says::<Found>(200),
        Route::new(
            (Verb::Get, "/fleet/jobs/{job}/lease"),
            ("getLease", "The lease of a job"),
            |heard| Box::pin(read::lease(heard)),
        )
        .of(VIEWS)
        .saying(200, Said::Record),
    ]
}

fn on_jobs() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Post, "/fleet/jobs/{job}/actions/{action}"),
            ("operateJob", "Approves, sends back, ships, requeues, redrives, cancels or rejects"),
            |heard| Box::pin(operate::act(heard)),
        )
        .of(PRODUCES)
        .noted("job.act")
        .taking(Body::Action)
        .says::<Operated>(200),
        Route::new(
            (Verb::Post, "/fleet/jobs/{job}/cancel"),
            ("cancelJob", "Short for the action cancel"),
            |heard| Box::pin(operate::cancel(heard)),
        )
        .of(PRODUCES)
        .noted("job.cancel")
        .taking(Body::Action)
        .says::<Operated>(200),
        Route::new(
            (Verb::Post, "/fleet/jobs/{job}/retry"),
            ("retryJob", "Short for the action redrive"),
            |heard| Box::pin(operate::retry(heard)),
        )
        .of(OPERATES)
        .noted("job.redrive")
        .taking(Body::Action)
        .says::<Operated>(200),
    ]
}

fn of_holders() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Post, "/fleet/claim"),
            ("claimWork", "Asks for one job, and waits a while for it"),
            |heard| Box::pin(hold::claim(heard)),
        )
        .of(HOLDS)
        .takes::<ClaimWork>(&[])
        .says::<Granted>(200)
        .saying(204, Said::Nothing),
        Route::new(
            (Verb::Post, "/fleet/leases/renew"),
            ("renewLeases", "Renews several leases of one factory at once"),
            |heard| Box::pin(hold::renew_all(heard)),
        )
        .of(HOLDS)
        .takes::<RenewLeases>(&[])
        .says::<RenewAnswer>(200),
        Route::new(
            (Verb::Post, "/fleet/jobs/{job}/lease/renew"),
            ("renewLease", "Renews one lease"),
            |heard| Box::pin(hold::renew(heard)),
        )
        .of(HOLDS)
        .takes::<hold::RenewThis>(&["jobId"])
        .says::<Renewed>(200),
        Route::new(
            (Verb::Post, "/fleet/jobs/{job}/lease/release"),
            ("releaseLease", "Ends a hold: shipped, failed, handed back or parked"),
            |heard| Box::pin(hold::release(heard)),
        )
        .of(HOLDS)
        .takes::<ReleaseJob>(&["jobId"])
        .says::<JobView>(200),
        Route::new(
            (Verb::Patch, "/fleet/jobs/{job}"),
            ("patchJob", "A holder moves its job on"),
            |heard| Box::pin(hold::patch(heard)),
        )
        .of(HOLDS)
        .takes::<PatchJob>(&["jobId"])
        .says::<JobView>(200),
        Route::new(
            (Verb::Post, "/fleet/jobs/{job}/progress"),
            ("reportProgress", "A holder says how far its run is"),
            |heard| Box::pin(hold::progress(heard)),
        )
        .of(HOLDS)
        .takes::<ReportProgress>(&["jobId"])
        .saying(200, Said::Record),
    ]
}
