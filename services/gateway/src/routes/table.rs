//! The one table of routes: from it the router is made, and from it the description that
//! `/openapi.json` answers. A route that is not here is not there.

pub(crate) mod artifacts;
mod credentials;
mod jobs;
mod logs;
mod people;
mod profiles;

use std::future::Future;
use std::pin::Pin;

use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodFilter, MethodRouter, on};
use protocol::{
    Beat, Beaten, Deregister, Found, Operate, OperateFactory, OperateProduct, Role, Verified,
    Verify,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::Door;
use crate::flowing::Flowing;
use crate::guard;
use crate::heard::Heard;
use crate::problem::Answer;
use crate::routes::{factories, health, hold, page};
use crate::trail;

type Answered = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Shaped = fn(&mut SchemaGenerator) -> Schema;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// How much of a request is there when it is answered.
#[derive(Clone, Copy, Debug)]
enum Answering {
    Whole(fn(Heard) -> Answered),
    /// Its body comes as it is read.
    Flowing(fn(Flowing) -> Answered),
}

/// What a request brings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    Nothing,
    /// A type, but for the fields that the path says already.
    Typed(Shaped, &'static [&'static str]),
    /// An action on a job: its type, and what stands for some of its fields.
    Action,
    /// A job file or the keys of one.
    Submission,
    /// An artifact: a form with its file, or JSON with its bytes.
    Upload,
    /// Bytes, as they are.
    Bytes,
}

/// What is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said {
    Typed(Shaped),
    /// An object whose fields are those of a record.
    Record,
    Nothing,
    /// Text of this media type.
    Text(&'static str),
    /// Text of one media type, or a stream of events whose data are of a type.
    TextOrStream(&'static str, Shaped),
    /// Bytes of whatever type they were stored with.
    Bytes,
}

#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) verb: Verb,
    pub(crate) path: &'static str,
    /// The name of the operation, for programs that are made from the description.
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    /// Who may ask: any of these. None at all stand where a route is open to everybody.
    pub(crate) roles: &'static [Role],
    /// What the trail calls it, if it is kept there.
    noted: Option<&'static str>,
    pub(crate) query: &'static [&'static str],
    pub(crate) body: Body,
    pub(crate) said: Vec<(u16, Said)>,
    answering: Answering,
}

impl Route {
    fn new(
        at: (Verb, &'static str),
        told: (&'static str, &'static str),
        answering: fn(Heard) -> Answered,
    ) -> Self {
        Self::answering(at, told, Answering::Whole(answering))
    }

    /// The body is handed over unread.
    fn flowing(
        at: (Verb, &'static str),
        told: (&'static str, &'static str),
        answering: fn(Flowing) -> Answered,
    ) -> Self {
        Self::answering(at, told, Answering::Flowing(answering))
    }

    fn answering(
        (verb, path): (Verb, &'static str),
        (name, summary): (&'static str, &'static str),
        answering: Answering,
    ) -> Self {
        let (query, body, said, noted) = (&[], Body::Nothing, Vec::new(), None);
        Self { verb, path, name, summary, roles: &[], noted, query, body, said, answering }
    }

    fn of(mut self, roles: &'static [Role]) -> Self {
        self.roles = roles;
        self
    }

    fn noted(mut self, action: &'static str) -> Self {
        self.noted = Some(action);
        self
    }

    fn asked(mut self, query: &'static [&'static str]) -> Self {
        self.query = query;
        self
    }

    fn takes<T: JsonSchema>(mut self, said_already: &'static [&'static str]) -> Self {
        self.body = Body::Typed(|schemas| T::json_schema(schemas), said_already);
        self
    }

    fn taking(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    fn says<T: JsonSchema>(self, status: u16) -> Self {
        self.saying(status, Said::Typed(|schemas| schemas.subschema_for::<T>()))
    }

    fn saying(mut self, status: u16, said: Said) -> Self {
        self.said.push((status, said));
        self
    }

    pub(crate) fn is_open(&self) -> bool {
        guard::OPEN.contains(&self.path)
    }

    /// As the router has it. Nothing is read of a request before it is known that its sender may
    /// ask.
    pub(crate) fn answered(&self, door: &Door) -> MethodRouter<Door> {
        let roles = self.roles;
        let mut answered = self.unguarded();
        if self.is_open() {
            return answered;
        }
        if let Some(action) = self.noted {
            let kept = move |door, request, next| trail::noted(action, door, request, next);
            answered = answered.route_layer(from_fn_with_state(door.clone(), kept));
        }
        answered.route_layer(from_fn(move |request, next| guard::stands(roles, request, next)))
    }

    /// Where nothing is known of a query, nothing may be asked in it.
    fn unguarded(&self) -> MethodRouter<Door> {
        let filter = match self.verb {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Put => MethodFilter::PUT,
            Verb::Patch => MethodFilter::PATCH,
            Verb::Delete => MethodFilter::DELETE,
        };
        let strict = self.query.is_empty() && !self.path.contains('{') && !self.is_open();
        let answering = match self.answering {
            Answering::Whole(answering) => answering,
            Answering::Flowing(answering) => {
                return on(filter, move |flowing: Flowing| answering(flowing));
            }
        };
        on(filter, move |heard: Heard| async move {
            if strict {
                heard.pairs(&[])?;
            }
            answering(heard).await
        })
    }
}

const VIEWS: &[Role] = &[Role::Viewer];
const VIEWS_OR_HOLDS: &[Role] = &[Role::Viewer, Role::Factory];
const PRODUCES: &[Role] = &[Role::Producer];
const OPERATES: &[Role] = &[Role::Operator];
const OPERATES_OR_HOLDS: &[Role] = &[Role::Operator, Role::Factory];
const ADMINS: &[Role] = &[Role::Admin];
const HOLDS: &[Role] = &[Role::Factory];

/// Every route of the door.
pub(crate) fn routes() -> Vec<Route> {
    let parts = [
        jobs::routes(),
        artifacts::routes(),
        logs::routes(),
        of_factories(),
        of_products(),
        profiles::routes(),
        credentials::routes(),
        people::routes(),
    ];
    parts.into_iter().flatten().chain(open()).collect()
}

fn of_factories() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Post, "/fleet/factories/heartbeat"),
            ("heartbeat", "A factory's sign of life"),
            |heard| Box::pin(hold::beat(heard)),
        )
        .of(HOLDS)
        .takes::<Beat>(&[])
        .says::<Beaten>(200),
        Route::new(
            (Verb::Get, "/fleet/factories"),
            ("listFactories", "Every factory that was ever heard"),
            |heard| Box::pin(factories::list(heard)),
        )
        .of(VIEWS)
        .says::<Found>(200),
        Route::new(
            (Verb::Get, "/fleet/factories/{factory}"),
            ("getFactory", "One factory, with what it holds"),
            |heard| Box::pin(factories::one(heard)),
        )
        .of(VIEWS)
        .saying(200, Said::Record),
        Route::new(
            (Verb::Post, "/fleet/factories/{factory}/drain"),
            ("drainFactory", "No new work for it; with now, what it holds is given back"),
            |heard| Box::pin(factories::drain(heard)),
        )
        .of(OPERATES_OR_HOLDS)
        .noted("factory.drain")
        .takes::<OperateFactory>(&["action", "factoryId"])
        .saying(200, Said::Record),
        Route::new(
            (Verb::Post, "/fleet/factories/{factory}/resume"),
            ("resumeFactory", "Undoes a drain"),
            |heard| Box::pin(factories::resume(heard)),
        )
        .of(OPERATES_OR_HOLDS)
        .noted("factory.resume")
        .takes::<OperateFactory>(&["action", "factoryId", "now"])
        .saying(200, Said::Record),
        Route::new(
            (Verb::Post, "/fleet/factories/{factory}/deregister"),
            ("deregisterFactory", "A factory that ends by intent frees its name at once"),
            |heard| Box::pin(hold::leave(heard)),
        )
        .of(OPERATES_OR_HOLDS)
        .noted("factory.deregister")
        .takes::<Deregister>(&["factoryId"])
        .saying(200, Said::Record),
    ]
}

fn of_products() -> Vec<Route> {
    vec![
        Route::new(
            (Verb::Post, "/fleet/pause"),
            ("pauseProduct", "Nothing of the product is claimed until it is resumed"),
            |heard| Box::pin(factories::pause_product(heard)),
        )
        .of(OPERATES)
        .noted("product.pause")
        .takes::<OperateProduct>(&["action"])
        .saying(200, Said::Record),
        Route::new((Verb::Post, "/fleet/resume"), ("resumeProduct", "Undoes a pause"), |heard| {
            Box::pin(factories::resume_product(heard))
        })
        .of(OPERATES)
        .noted("product.resume")
        .takes::<OperateProduct>(&["action"])
        .saying(200, Said::Record),
        Route::new((Verb::Get, "/fleet/stats"), ("stats", "The product in numbers"), |heard| {
            Box::pin(factories::stats(heard))
        })
        .of(VIEWS)
        .saying(200, Said::Record),
        Route::new(
            (Verb::Get, "/fleet/locks"),
            ("listLocks", "Named locks and who holds them"),
            |heard| Box::pin(factories::locks(heard)),
        )
        .of(VIEWS)
        .says::<Found>(200),
        Route::new(
            (Verb::Get, "/fleet/budgets"),
            ("listBudgets", "Ceilings on spending and what is left of them"),
            |heard| Box::pin(factories::budgets(heard)),
        )
        .of(VIEWS)
        .says::<Found>(200),
        Route::new(
            (Verb::Post, "/fleet/verify"),
            ("verify", "Holds all that is stored against the invariants"),
            |heard| Box::pin(factories::verify(heard)),
        )
        .of(OPERATES)
        .noted("fleet.verify")
        .takes::<Verify>(&[])
        .says::<Verified>(200),
    ]
}

/// What may be asked by anybody; `guard::OPEN` names the same.
fn open() -> Vec<Route> {
    vec![
        Route::new((Verb::Get, "/healthz"), ("alive", "Whether the process is there"), |_| {
            Box::pin(async { Ok(health::alive()) })
        })
        .saying(200, Said::Record),
        Route::new((Verb::Get, "/readyz"), ("ready", "Whether what it needs is there"), |heard| {
            Box::pin(health::ready(heard))
        })
        .saying(200, Said::Record),
        Route::new(
            (Verb::Get, "/metrics"),
            ("metrics", "What it counted, for Prometheus"),
            |heard| Box::pin(async move { Ok(health::metrics(&heard.door)) }),
        )
        .saying(200, Said::Text("text/plain")),
        Route::new((Verb::Get, "/openapi.json"), ("describe", "This description"), |_| {
            Box::pin(async { Ok(page::description()) })
        })
        .saying(200, Said::Text("application/json")),
        Route::new((Verb::Get, "/"), ("page", "The fleet on one page, for people"), |_| {
            Box::pin(async { Ok(page::index()) })
        })
        .saying(200, Said::Text("text/html")),
        Route::new((Verb::Get, "/app.css"), ("pageStyle", "How the page looks"), |_| {
            Box::pin(async { Ok(page::style()) })
        })
        .saying(200, Said::Text("text/css")),
        Route::new((Verb::Get, "/app.js"), ("pageScript", "How the page works"), |_| {
            Box::pin(async { Ok(page::script()) })
        })
        .saying(200, Said::Text("text/javascript")),
    ]
}

/// What stands for fields of an action beside its own.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ActionExtras {
    /// The etag that the job must still have.
    expect: Option<String>,
    /// `graceful` or `now`; stands for `now`.
    mode: Option<String>,
    /// Whether the children of a composite are cancelled too; stands for `alone`.
    cascade: Option<bool>,
}

/// The fields of an action that its address does not say.
pub(crate) const ACTION_IN_PATH: [&str; 2] = ["action", "jobId"];

pub(crate) fn action(schemas: &mut SchemaGenerator) -> (Schema, Schema) {
    (Operate::json_schema(schemas), ActionExtras::json_schema(schemas))
}
