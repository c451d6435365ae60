//! The lines of the table that are about credentials and who has them.

use protocol::{
    AskReset, AuthUser, Bind, EnrollFactory, Enrolled, IssueToken, Issued, OnceCode, RotateToken,
};

use super::{ADMINS, Route, Said, Verb};
use crate::routes::credentials;

pub(super) fn routes() -> Vec<Route> {
    let mut routes = tokens();
    routes.extend(factories());
    routes.extend(users());
    routes
}

fn tokens() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Get, "/fleet/tokens"),
            ("listTokens", "Tokens of the product, without what they are"),
            |heard| Box::pin(credentials::tokens(heard)),
        )
        .of(ADMINS)
        .says::<credentials::Tokens>(200),
        Route::new(
            (Verb::Post, "/fleet/tokens"),
            ("issueToken", "Makes a token for a program, told in this answer only"),
            |heard| Box::pin(credentials::issue(heard)),
        )
        .of(ADMINS)
        .noted("token.issue")
        .takes::<IssueToken>(&[])
        .says::<Issued>(201),
        Route::new(
            (Verb::Delete, "/fleet/tokens/{token}"),
            ("revokeToken", "Ends a token within seconds, everywhere"),
            |heard| Box::pin(credentials::revoke(heard)),
        )
        .of(ADMINS)
        .noted("token.revoke")
        .saying(204, Said::Nothing),
        Route::new(
            (Verb::Get, "/fleet/audit"),
            ("listAudit", "Who did what, the newest first"),
            |heard| Box::pin(credentials::audit(heard)),
        )
        .of(ADMINS)
        .asked(&credentials::AUDIT)
        .says::<credentials::Audited>(200),
    ]
}

fn factories() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Post, "/fleet/factories/enroll"),
            ("enrollFactory", "Makes the token of a factory, told in this answer only"),
            |heard| Box::pin(credentials::enroll(heard)),
        )
        .of(ADMINS)
        .noted("factory.enroll")
        .takes::<EnrollFactory>(&[])
        .says::<Enrolled>(201),
        Route::new(
            (Verb::Post, "/fleet/factories/{factory}/token/rotate"),
            ("rotateToken", "Makes another token of a factory; the old one is good for a while"),
            |heard| Box::pin(credentials::rotate(heard)),
        )
        .of(ADMINS)
        .noted("factory.rotate")
        .takes::<RotateToken>(&[])
        .says::<Enrolled>(201),
        Route::new(
            (Verb::Post, "/fleet/factories/{factory}/token/revoke"),
            ("revokeFactory", "Ends all tokens of a factory; with fence, takes its jobs at once"),
            |heard| Box::pin(credentials::revoke_factory(heard)),
        )
        .of(ADMINS)
        .noted("factory.revoke")
        .asked(&credentials::REVOKE)
        .saying(204, Said::Nothing),
    ]
}

fn users() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Get, "/fleet/users"),
            ("listUsers", "Users who may do anything in the product"),
            |heard| Box::pin(credentials::users(heard)),
        )
        .of(ADMINS)
        .says::<credentials::Users>(200),
        Route::new(
            (Verb::Put, "/fleet/users/{user}"),
            ("bindUser", "Says what a user may do in the product; without a role, nothing"),
            |heard| Box::pin(credentials::bind(heard)),
        )
        .of(ADMINS)
        .noted("user.bind")
        .takes::<Bind>(&[])
        .says::<AuthUser>(200),
        Route::new(
            (Verb::Post, "/fleet/invites"),
            ("inviteUser", "Makes a code to sign up with, good once"),
            |heard| Box::pin(credentials::invite(heard)),
        )
        .of(ADMINS)
        .noted("user.invite")
        .says::<OnceCode>(201),
        Route::new(
            (Verb::Post, "/fleet/reset-codes"),
            ("makeResetCode", "Makes a code to set another password with; for the host's owner"),
            |heard| Box::pin(credentials::reset_code(heard)),
        )
        .of(ADMINS)
        .noted("user.reset")
        .takes::<AskReset>(&[])
        .says::<OnceCode>(201),
    ]
}
