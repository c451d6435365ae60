//! The one client: how it is made, how long it tries, and the containers it reaches. A request that
//! gets no reply is sent again by the driver itself, writes too; what that means is known in
//! `write`.

use std::collections::BTreeMap;
use std::fmt;

use azure_core::http::StatusCode;
use azure_data_cosmos::clients::{ContainerClient, DatabaseClient};
use azure_data_cosmos::options::{
    AvailabilityStrategy, BinaryEncodingOptions, ConnectionPoolOptions,
    EndToEndOperationLatencyPolicy, OperationOptionsBuilder, ThrottlingRetryOptionsBuilder,
};
use azure_data_cosmos::{
    AccountEndpoint, AccountReference, CosmosClient, CosmosError, CosmosRuntime, RoutingStrategy,
    SubStatusCode,
};
use store::{Key, Kind, StoreError};

use crate::account::{Account, Credential, Options};
use crate::bulk::Bulks;
use crate::charges::{Charges, Deed};
use crate::containers::Container;
use crate::trouble::{Reason, Trouble};

/// The name of the container is gone, with all that was in it.
const OWNER_NOT_FOUND: u16 = 1003;
/// What the session has seen has not come there yet.
const SESSION_NOT_AVAILABLE: u16 = 1002;
/// Within the time that an operation may take, the driver comes again as often as it is told to.
const THROTTLED_AGAIN: u32 = 1_000;

pub(crate) struct Link {
    client: CosmosClient,
    pub(crate) database: DatabaseClient,
    places: BTreeMap<&'static str, Place>,
    pub(crate) charges: Charges,
    pub(crate) bulks: Bulks,
    pub(crate) account: Account,
    pub(crate) options: Options,
}

pub(crate) struct Place {
    pub(crate) container: Container,
    pub(crate) client: ContainerClient,
}

impl Link {
    /// Looks at the account before anything else.
    pub(crate) async fn connect(options: &Options) -> Result<Self, Trouble> {
        let credential = Credential::of(options)?;
        let account = Account::ask(options, &credential).await?.judged(options)?;
        let endpoint = options.endpoint.parse::<AccountEndpoint>();
        let endpoint = endpoint.map_err(|error| options.unreachable(error))?;
        let reference = match credential {
            Credential::Key(key) => AccountReference::with_authentication_key(endpoint, key),
            Credential::Token(token) => AccountReference::with_credential(endpoint, token),
        };
        let client = Box::pin(client(options, reference)).await;
        let client = client.map_err(|error| options.unreachable(error))?;
        let database = client.database_client(options.database.clone());
        let (options, charges, bulks) = (options.clone(), Charges::default(), Bulks::default());
        Ok(Self { client, database, places: BTreeMap::new(), charges, bulks, account, options })
    }

    /// Finds the containers, each once: whoever asks for their metadata often is throttled.
    pub(crate) async fn reach(&mut self, containers: &[Container]) -> Result<(), Trouble> {
        for container in containers {
            let client = self.container(container.kind.name).await?;
            let place = Place { container: *container, client };
            self.places.insert(container.kind.name, place);
        }
        Ok(())
    }

    pub(crate) async fn container(&self, name: &'static str) -> Result<ContainerClient, Trouble> {
        let found = Box::pin(self.database.container_client(name, None)).await;
        found.map_err(|error| match is_absent(&error) {
            true => Trouble::NotMade { what: format!("the container {name}") },
            false => self.trouble(error),
        })
    }

    pub(crate) async fn make_database(&self) -> Result<(), Trouble> {
        let made = Box::pin(self.client.create_database(&self.options.database, None)).await;
        match made {
            Ok(_) => Ok(()),
            Err(error) if code(&error) == StatusCode::Conflict => Ok(()),
            Err(error) => Err(self.trouble(error)),
        }
    }

    pub(crate) fn place(&self, kind: Kind) -> Result<&Place, StoreError> {
        self.places.get(kind.name).ok_or_else(|| unavailable(Reason::NotOpened(kind.name)))
    }

    pub(crate) fn trouble(&self, error: CosmosError) -> Trouble {
        if matches!(code(&error), StatusCode::Unauthorized | StatusCode::Forbidden) {
            return self.options.refused(error);
        }
        self.options.unreachable(error)
    }

    /// Sums what an operation cost with all that was tried for it.
    pub(crate) fn charge(&self, kind: Kind, deed: Deed, spent: Spent) {
        self.charges.add((kind.name, deed), spent.requests, spent.units);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { places, account, options, .. } = self;
        let kinds: Vec<_> = places.keys().collect();
        out.debug_struct("Link")
            .field("options", options)
            .field("account", account)
            .field("kinds", &kinds)
            .finish_non_exhaustive()
    }
}

/// What one operation cost, with all that was tried for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    requests: usize,
    units: f64,
}

impl Spent {
    pub(crate) fn on(diagnostics: &azure_data_cosmos::diagnostics::DiagnosticsContext) -> Self {
        let units = diagnostics.total_request_charge().value();
        Self { requests: diagnostics.request_count(), units }
    }

    pub(crate) fn on_error(error: &CosmosError) -> Self {
        error.diagnostics().map_or_else(Self::default, |diagnostics| Self::on(&diagnostics))
    }
}

async fn client(
    options: &Options,
    reference: AccountReference,
) -> azure_data_cosmos::Result<CosmosClient> {
    // Without TLS nobody negotiates a version: emulators speak HTTP/1.1.
    let is_plain = options.endpoint.starts_with("http://");
    let pool = ConnectionPoolOptions::builder()
        .with_is_http2_allowed(!is_plain)
        .with_gateway_v2_disabled(is_plain)
        .build()?;
    let throttling = ThrottlingRetryOptionsBuilder::new()
        .with_max_retry_count(THROTTLED_AGAIN)
        .with_max_retry_wait_time(options.timeout.mul_f64(THROTTLED_PART))
        .build();
    let operations = OperationOptionsBuilder::new()
        .with_end_to_end_latency_policy(EndToEndOperationLatencyPolicy::new(options.timeout))
        // Another region may be behind; what it would answer is no read.
        .with_availability_strategy(AvailabilityStrategy::Disabled)
        .with_throttling_retry_options(throttling)
        .build();
    let runtime = CosmosRuntime::builder().with_connection_pool(pool).build().await?;
    CosmosClient::builder()
        .with_runtime(runtime)
        .with_default_operation_options(operations)
        .with_binary_encoding_options(BinaryEncodingOptions::new().with_enabled(false))
        .build(reference, RoutingStrategy::PreferredRegions(Vec::new()))
        .await
}

/// Of the time that an operation has; so that what is refused is told as such, and not as one that
/// took too long.
const THROTTLED_PART: f64 = 0.5;

pub(crate) fn code(error: &CosmosError) -> StatusCode {
    error.status().status_code()
}

/// Whether the service had too many requests, though another word may have been its last.
pub(crate) fn is_throttled(error: &CosmosError) -> bool {
    let throttled = |status: StatusCode| status == StatusCode::TooManyRequests;
    let tries = error.diagnostics().map(|diagnostics| diagnostics.requests());
    let any =
        tries.is_some_and(|tries| tries.iter().any(|one| throttled(one.status().status_code())));
    any || throttled(code(error))
}

/// Whether it says that the document is not there; that its container is gone, or that the answer
/// comes later, has the same code.
pub(crate) fn is_absent(error: &CosmosError) -> bool {
    let sub = error.status().sub_status().map(|sub: SubStatusCode| sub.value());
    let is_elsewhere = matches!(sub, Some(OWNER_NOT_FOUND | SESSION_NOT_AVAILABLE));
    code(error) == StatusCode::NotFound && !is_elsewhere
}

pub(crate) fn unavailable(reason: Reason) -> StoreError {
    StoreError::Unavailable(Box::new(reason))
}

pub(crate) fn named(key: &Key) -> String {
    format!("{}/{}/{}", key.kind().name, key.partition(), key.id())
}
