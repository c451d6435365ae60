//! Clears away sessions and codes that are over. They admit nobody either way; this is for the room
//! that they take. Any number of replicas may sweep at once.

use auth::{Session, Stored, Verification};
use fleet::Timestamp;
use ledger::{Found, LedgerError, Register};

use crate::Identity;

const PAGE: usize = 256;

/// What one turn cleared away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub sessions: usize,
    pub codes: usize,
}

impl Identity {
    /// One look at everything.
    ///
    /// # Errors
    /// The store is away; what was cleared away by then is gone.
    pub async fn sweep_once(&self) -> Result<Swept, LedgerError> {
        let now = self.now();
        Ok(Swept {
            sessions: clear(&self.sessions, now, |session: &Session, now| !session.is_live(now))
                .await?,
            codes: clear(&self.verifications, now, |code: &Verification, now| code.is_over(now))
                .await?,
        })
    }
}

async fn clear<T>(
    register: &Register<Stored<T>>,
    now: Timestamp,
    is_over: fn(&T, Timestamp) -> bool,
) -> Result<usize, LedgerError>
where
    Stored<T>: ledger::Placed,
{
    let (mut cleared, mut cursor) = (0, None);
    loop {
        let (items, next): (Vec<Found<Stored<T>>>, _) =
            register.records.page_of_all(cursor.as_ref(), PAGE).await?;
        for found in items.iter().filter(|found| is_over(&found.record.0, now)) {
            register.remove(found).await?;
            cleared += 1;
        }
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(cleared),
        }
    }
}
