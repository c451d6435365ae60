//! Everything of one kind, page after page: in a hurry, where each page is on its way while the one
//! before it is looked at, or at leisure, where whoever else uses the store notices nothing.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use store::{Cursor, Page, Scope, StoreError};

use crate::kinds::Placed;
use crate::outcome::LedgerError;
use crate::table::{Found, Table};

/// At leisure a page is rested from so many times as long as it took: a tenth of the time is work.
const RESTS: u32 = 9;
/// But so many records are seen in a second, however slow the store is.
const SLOWEST: Duration = Duration::from_micros(500);

type Reading = MaybeDone<BoxFuture<'static, Result<Page, StoreError>>>;

/// What is still to be read; each record comes at least once, in any order.
pub struct Pages<R> {
    table: Table<R>,
    limit: usize,
    hurries: bool,
    reading: Option<Reading>,
    /// When the last page was begun, and how much was on it.
    last: Option<(Duration, u32)>,
}

impl<R: Placed> Table<R> {
    /// Everything of this kind that can be read, at leisure.
    #[must_use]
    pub fn pages(&self, limit: usize) -> Pages<R> {
        let reading = Some(self.reading(None, limit));
        Pages { table: self.clone(), limit, hurries: false, reading, last: None }
    }

    fn reading(&self, from: Option<Cursor>, limit: usize) -> Reading {
        let store = Arc::clone(self.store());
        let scan = async move { store.scan(&Scope::Kind(R::KIND), from.as_ref(), limit).await };
        maybe_done(Box::pin(scan))
    }
}

impl<R: Placed> Pages<R> {
    #[must_use]
    pub fn in_a_hurry(self) -> Self {
        Self { hurries: true, ..self }
    }

    /// The next page; nothing after the last. After an error it is to be begun anew.
    ///
    /// # Errors
    /// The store is away.
    pub async fn next(&mut self) -> Result<Option<Vec<Found<R>>>, LedgerError> {
        if let Some(rest) = self.rests_for() {
            tokio::time::sleep(rest).await;
        }
        let began = self.table.uptime();
        let Some(reading) = &mut self.reading else { return Ok(None) };
        let mut reading = Pin::new(reading);
        reading.as_mut().await;
        let page = reading.take_output().expect("it is taken once");
        self.reading = None;
        let page = page.map_err(LedgerError::Unavailable)?;
        if let Some(next) = page.next {
            let mut reading = self.table.reading(Some(next), self.limit);
            if self.hurries {
                // The store is asked; its answer waits until it is looked for.
                let _asked = (&mut reading).now_or_never();
            }
            self.reading = Some(reading);
        }
        let many = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
        self.last = Some((began, many));
        Ok(Some(self.table.readable_of(&page.items)))
    }

    fn rests_for(&self) -> Option<Duration> {
        let (began, many) = self.last.filter(|_| self.reading.is_some() && !self.hurries)?;
        let took = self.table.uptime().saturating_sub(began);
        Some((took * RESTS).min(SLOWEST * many))
    }
}

impl<R> fmt::Debug for Pages<R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pages").field("table", &self.table).finish_non_exhaustive()
    }
}
