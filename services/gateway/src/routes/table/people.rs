//! The lines of the table by which people come in and go out.

use protocol::{AuthUser, Reset, SessionShown, SignIn, SignUp, SignedIn, VerifyEmail};

use super::{Route, Said, Verb};
use crate::routes::people;

pub(super) fn routes() -> Vec<Route> {
    let mut routes = open();
    routes.extend(about_oneself());
    routes
}

fn open() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Post, "/auth/sign-up"),
            ("signUp", "Becomes a user, who may do nothing until an admin says what"),
            |heard| Box::pin(people::sign_up(heard)),
        )
        .takes::<SignUp>(&[])
        .says::<AuthUser>(201),
        Route::new(
            (Verb::Post, "/auth/sign-in"),
            ("signIn", "Begins a session: a cookie for a browser, a token for a program"),
            |heard| Box::pin(people::sign_in(heard)),
        )
        .takes::<SignIn>(&[])
        .says::<SignedIn>(200),
        Route::new(
            (Verb::Post, "/auth/reset"),
            ("resetPassword", "Sets another password by a code that is good once"),
            |heard| Box::pin(people::reset(heard)),
        )
        .takes::<Reset>(&[])
        .saying(204, Said::Nothing),
        Route::new(
            (Verb::Post, "/auth/verify-email"),
            ("verifyEmail", "Proves an address by a code that is good once"),
            |heard| Box::pin(people::verify_email(heard)),
        )
        .takes::<VerifyEmail>(&[])
        .says::<AuthUser>(200),
    ]
}

/// For whoever was recognised, whatever they may do.
fn about_oneself() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Post, "/auth/sign-out"),
            ("signOut", "Ends the session that asks"),
            |heard| Box::pin(people::sign_out(heard)),
        )
        .saying(204, Said::Nothing),
        Route::new(
            (Verb::Get, "/auth/session"),
            ("getSession", "The session that asks, and whose it is"),
            |heard| Box::pin(people::session(heard)),
        )
        .says::<SessionShown>(200),
        Route::new(
            (Verb::Get, "/auth/profile"),
            ("getProfile", "The user who asks, with what they may do where"),
            |heard| Box::pin(people::profile(heard)),
        )
        .says::<AuthUser>(200),
    ]
}
