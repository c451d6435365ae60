//! What a service has to be let hear before it can begin. Servers that have just lost their leader
//! cannot say yes for a moment, and a service that ended for that would only be started again.

use std::time::Duration;

use bus::{Audience, BusError, Inbox};
use protocol::Filter;
use tracing::warn;

use crate::Node;
use crate::news::BusAway;

/// Above what servers take to choose a leader. What lasts longer is told as it is.
const PATIENCE: Duration = Duration::from_mins(1);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl Node {
    pub(crate) async fn begin_to_listen(
        &self,
        filter: &Filter,
        audience: Audience,
    ) -> Result<Inbox, BusAway> {
        self.begin(filter, || self.bus.listen(filter, audience.clone())).await
    }

    pub(crate) async fn begin_to_consume(
        &self,
        filter: &Filter,
        group: &str,
    ) -> Result<Inbox, BusAway> {
        self.begin(filter, || self.bus.consume(filter, group)).await
    }

    async fn begin<F>(&self, filter: &Filter, ask: impl Fn() -> F) -> Result<Inbox, BusAway>
    where
        F: Future<Output = Result<Inbox, BusError>>,
    {
        let began = self.clock.uptime();
        let mut wait = FIRST_WAIT;
        loop {
            let error = match ask().await {
                Ok(inbox) => return Ok(inbox),
                Err(error) => error,
            };
            if self.clock.uptime() - began >= PATIENCE {
                return Err(error.into());
            }
            warn!(%filter, %error, "waiting to be heard");
            tokio::select! {
                biased;
                () = self.tasks.stopped() => return Err(error.into()),
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}
