//! What an admin gives out and takes back: tokens, the enrolment of factories, bindings of users,
//! invitations; and the trail of who did what. A secret is answered once and kept nowhere.

use auth::Who;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use fleet::FactoryId;
use protocol::{
    AboutProduct, AskReset, AuditShown, AuthUser, Bind, Code, EnrollFactory, IssueToken, JobAction,
    OfProduct, Operate, RotateToken, TokenShown,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::heard::Heard;
use crate::problem::{Answer, Refusal};
use crate::routes::factories::factory_of;
use crate::routes::{jobs, json as answered, ok};

pub(crate) const REVOKE: [&str; 1] = ["fence"];
pub(crate) const AUDIT: [&str; 2] = ["cursor", "limit"];
const PAGE: usize = 50;

/// All that there are.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct All<T> {
    items: Vec<T>,
}

pub(crate) type Tokens = All<TokenShown>;
pub(crate) type Users = All<AuthUser>;

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Audited {
    items: Vec<AuditShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A code, said this once.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CodeShown {
    code: String,
    expires_at: fleet::Timestamp,
}

pub(crate) async fn tokens(heard: Heard) -> Answer {
    let tokens = heard.door.options.identity.tokens(&heard.standing()?.product).await;
    let items = tokens.map_err(|why| heard.declined(&why))?;
    Ok(ok(&Tokens { items }))
}

pub(crate) async fn issue(heard: Heard) -> Answer {
    let asked: IssueToken = heard.alone()?;
    let issued = heard.door.options.identity.issue(&heard.standing()?.product, asked).await;
    Ok(secret(&issued.map_err(|why| heard.declined(&why))?))
}

pub(crate) async fn revoke(heard: Heard) -> Answer {
    let (product, id) = (&heard.standing()?.product, heard.named(0));
    let revoked = heard.door.options.identity.revoke_token(product, id).await;
    revoked.map_err(|why| heard.declined(&why))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn enroll(heard: Heard) -> Answer {
    let asked: EnrollFactory = heard.alone()?;
    let enrolled = heard.door.options.identity.enroll(&heard.standing()?.product, asked).await;
    Ok(secret(&enrolled.map_err(|why| heard.declined(&why))?))
}

pub(crate) async fn rotate(heard: Heard) -> Answer {
    let factory = factory_of(&heard)?;
    let asked: RotateToken = heard.alone()?;
    let product = &heard.standing()?.product;
    let enrolled = heard.door.options.identity.rotate(product, &factory, asked).await;
    Ok(secret(&enrolled.map_err(|why| heard.declined(&why))?))
}

/// What it holds goes on until its leases end, or is taken from it at once.
pub(crate) async fn revoke_factory(heard: Heard) -> Answer {
    let factory = factory_of(&heard)?;
    let mut fence = false;
    for (name, value) in heard.pairs(&REVOKE)? {
        fence = match value.as_str() {
            "1" | "true" => true,
            "0" | "false" => false,
            _ => {
                let refusal = heard.refused(Code::Validation);
                return Err(refusal.at(&name, "bad_enum", "fence is 0 or 1"));
            }
        };
    }
    let product = &heard.standing()?.product;
    let revoked = heard.door.options.identity.revoke_factory(product, &factory).await;
    revoked.map_err(|why| heard.declined(&why))?;
    if fence {
        fence_all(&heard, &factory).await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// † some fenced, others not: said again, it goes on with the rest.
async fn fence_all(heard: &Heard, factory: &FactoryId) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    struct Holding {
        jobs: Vec<protocol::JobName>,
    }
    let ask = OfProduct { query: AboutProduct::Factories, named: Some(factory.to_string()) };
    let found = match heard.look_up(&ask).await {
        // Enrolled, and never heard.
        Err(refusal) if refusal.0.code == Code::NotFound => return Ok(()),
        found => found?.items.into_iter().next(),
    };
    let Some(Ok(holding)) = found.map(serde_json::from_value::<Holding>) else { return Ok(()) };
    for job in holding.jobs {
        let ask = Operate {
            action: JobAction::Requeue,
            job_id: job.job_id,
            op_id: None,
            reason: Some("its factory's credential was revoked".to_owned()),
            force: false,
            now: false,
            alone: false,
        };
        match heard.look_up(&ask).await {
            Ok(_) => {}
            // It ended meanwhile.
            Err(refusal) if refusal.0.code == Code::InvalidTransition => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(())
}

pub(crate) async fn users(heard: Heard) -> Answer {
    let users = heard.door.options.identity.users(&heard.standing()?.product).await;
    let items = users.map_err(|why| heard.declined(&why))?;
    Ok(ok(&Users { items }))
}

pub(crate) async fn bind(heard: Heard) -> Answer {
    let asked: Bind = heard.alone()?;
    let product = &heard.standing()?.product;
    let bound = heard.door.options.identity.bind(heard.named(0), product, asked).await;
    Ok(ok(&bound.map_err(|why| heard.declined(&why))?))
}

pub(crate) async fn invite(heard: Heard) -> Answer {
    let by = heard.standing()?.actor().id;
    let invited = heard.door.options.identity.invite(&by).await;
    let invited = invited.map_err(|why| heard.declined(&why))?;
    let code = invited.invite.reveal().to_owned();
    Ok(secret(&CodeShown { code, expires_at: invited.expires_at }))
}

/// A user belongs to no product, so that no product's admin may take one over: only the owner of
/// the host may hand somebody a code to set another password with.
pub(crate) async fn reset_code(heard: Heard) -> Answer {
    if heard.standing()?.who != Who::Owner {
        return Err(heard.refused(Code::Forbidden).because("owner_only"));
    }
    let asked: AskReset = heard.alone()?;
    let code = heard.door.options.identity.ask_reset(&asked.email, heard.peer).await;
    let code = code.map_err(|why| heard.declined(&why))?;
    let code = code.ok_or_else(|| heard.refused(Code::NotFound).because("no_such_user"))?;
    let shown = CodeShown { code: code.code.reveal().to_owned(), expires_at: code.expires_at };
    Ok(secret(&shown))
}

pub(crate) async fn audit(heard: Heard) -> Answer {
    let (mut cursor, mut limit) = (None, PAGE);
    for (name, value) in heard.pairs(&AUDIT)? {
        match name.as_str() {
            "limit" => limit = jobs::limit(&heard, &value)?,
            _ => cursor = Some(jobs::text(&heard, &name, &value)?),
        }
    }
    let product = &heard.standing()?.product;
    let page = heard.door.options.identity.audit_page(product, cursor.as_deref(), limit).await;
    let page = page.map_err(|why| heard.declined(&why))?;
    Ok(ok(&json!(Audited { items: page.items, next_cursor: page.next })))
}

fn secret(body: &impl Serialize) -> Response {
    let mut response = answered(StatusCode::CREATED, body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
