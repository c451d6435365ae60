//! A durable reader of a stream, as the server keeps it for one group. Whoever may make one may have
//! the server deliver to any subject, past every list of what it may say: the readers that a fleet
//! needs are made with its streams, and no service has to be allowed it.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::{ConsumerError, ConsumerErrorKind};
use async_nats::jetstream::{Context, ErrorCode};
use bus::BusError;
use protocol::Filter;
use tokio::time::timeout;

use crate::link::{Link, away};

/// Entries taken and not settled, per group. Above it the group waits.
const UNSETTLED: i64 = 1_024;
/// Above every count after which a service gives up. It ends a loop that no service sees: an entry
/// that ends the connection of whoever is handed it.
const MOST: i64 = 64;

pub(crate) struct Reader {
    pub(crate) stream: &'static str,
    pub(crate) name: String,
    config: pull::Config,
}

impl Reader {
    /// Of what this filter lets through, for one group, of which an entry that is not settled for so
    /// long comes again.
    pub(crate) fn of(
        stream: &'static str,
        filter: &Filter,
        group: &str,
        ack_wait: Duration,
    ) -> Self {
        let name = name_of(group, filter);
        let config = pull::Config {
            durable_name: Some(name.clone()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait,
            max_deliver: MOST,
            max_ack_pending: UNSETTLED,
            filter_subject: filter.to_string(),
            ..pull::Config::default()
        };
        Self { stream, name, config }
    }

    /// Left where it is, and made where it is missing and we may.
    pub(crate) async fn settle_in(&self, link: &Link, jetstream: &Context) -> Result<(), BusError> {
        if self.is_there(link, jetstream).await? {
            return Ok(());
        }
        let made = jetstream.create_consumer_on_stream(self.config.clone(), self.stream);
        let why = match timeout(link.patience, Box::pin(made)).await {
            Ok(Ok::<PullConsumer, _>(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        let Self { stream, name, .. } = self;
        let cure = "`gigamesh admin init` makes it";
        Err(away(format!(
            "reader {name} of {stream} is missing and was not made here ({why}); {cure}"
        )))
    }

    async fn is_there(&self, link: &Link, jetstream: &Context) -> Result<bool, BusError> {
        let asked =
            jetstream.get_consumer_from_stream::<pull::Config, _, _>(&self.name, self.stream);
        match timeout(link.patience, Box::pin(asked)).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) if is_missing(&error) => Ok(false),
            Ok(Err(error)) => Err(away(format!("{} of {}: {error}", self.name, self.stream))),
            Err(_) => Err(BusError::TimedOut),
        }
    }
}

/// One name for one share of a stream, without what a server does not take in a name. Neither sign
/// can be part of a product's id.
pub(crate) fn name_of(group: &str, filter: &Filter) -> String {
    format!("{group}~{}", filter.to_string().replace('.', "~").replace('*', "+"))
}

fn is_missing(error: &ConsumerError) -> bool {
    match error.kind() {
        ConsumerErrorKind::JetStream(why) => why.error_code() == ErrorCode::CONSUMER_NOT_FOUND,
        ConsumerErrorKind::TimedOut
        | ConsumerErrorKind::Request
        | ConsumerErrorKind::InvalidConsumerType
        | ConsumerErrorKind::InvalidName
        | ConsumerErrorKind::Other => false,
    }
}

#[cfg(test)]
mod tests {
    use protocol::Row;

    use super::*;

    #[test]
    fn each_share_has_a_name_of_its_own_that_a_server_takes() {
        let one = name_of("submit", &Filter::every(Row::Intake));
        assert_eq!(one, "submit~fleet~v1~+~in");
        let product = "any".parse().unwrap();
        let other = name_of("submit", &Filter::within(Row::Intake, &product));
        assert_eq!(other, "submit~fleet~v1~any~in");
    }
}
