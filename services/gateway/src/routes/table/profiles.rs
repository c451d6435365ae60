//! The lines of the table that are about profiles.

use protocol::{Found, ProfileStands, PutProfile};

use super::{ADMINS, Route, Said, VIEWS, Verb};
use crate::routes::profiles;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Get, "/fleet/profiles"),
            ("listProfiles", "The newest version of each recipe, and how many there are"),
            |heard| Box::pin(profiles::list(heard)),
        )
        .of(VIEWS)
        .says::<Found>(200),
        Route::new(
            (Verb::Get, "/fleet/profiles/{profile}"),
            ("getNewestProfile", "The newest version of a recipe"),
            |heard| Box::pin(profiles::newest(heard)),
        )
        .of(VIEWS)
        .saying(200, Said::Record),
        Route::new(
            (Verb::Get, "/fleet/profiles/{profile}/versions/{version}"),
            ("getProfileVersion", "One version of a recipe, which never changes"),
            |heard| Box::pin(profiles::version(heard)),
        )
        .of(VIEWS)
        .saying(200, Said::Record),
        Route::new(
            (Verb::Put, "/fleet/profiles/{profile}/versions/{version}"),
            ("putProfileVersion", "Makes a version of a recipe, once and for all"),
            |heard| Box::pin(profiles::put(heard)),
        )
        .of(ADMINS)
        .noted("profile.put")
        .takes::<PutProfile>(&["name", "version"])
        .says::<ProfileStands>(201)
        .says::<ProfileStands>(200),
    ]
}
