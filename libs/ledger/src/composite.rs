//! Families: a composite waits for its children. Everyone is written before anyone is admitted, so
//! that a crash leaves a family that the same submission, or the sweep, completes.

use fleet::{Actor, Content, Job, JobId, ProductId, Rejection, SUBMIT, Step, Wish};

use crate::Ledger;
use crate::commit::Patience;
use crate::job::Ask;
use crate::outcome::{LedgerError, Outcome};
use crate::submit::{Receipt, Submitter, surprise};

/// Written, and not admitted yet.
const WRITTEN: &[Step] = SUBMIT.split_at(1).0;

impl Ledger {
    /// Children first, then the parent, all unadmitted; then they are admitted in that order.
    ///
    /// # Errors
    /// The store is away, or the outcome cannot be known; the same family may be repeated.
    pub async fn submit_family(
        &self,
        product: &ProductId,
        parent: &Content,
        children: &[Content],
        by: &Actor,
    ) -> Result<Outcome<Receipt>, LedgerError> {
        self.submit_family_if(product, parent, children, Submitter { by, expect: None }).await
    }

    /// The same, but refused if something else stands than the submitter expects of the parent.
    ///
    /// # Errors
    /// As for [`Ledger::submit_family`].
    pub async fn submit_family_if(
        &self,
        product: &ProductId,
        parent: &Content,
        children: &[Content],
        from: Submitter<'_>,
    ) -> Result<Outcome<Receipt>, LedgerError> {
        // Only spares the children a write; the parent's own write is judged again.
        if let Some(expect) = from.expect {
            let found = self.jobs.get(product, JobId::of(product, &parent.idempotency_key)).await?;
            if let Some(rejection) = surprise(expect, found.as_ref()) {
                return Ok(Outcome::Rejected(rejection));
            }
        }
        let by = from.by;
        let mut ids = Vec::with_capacity(children.len());
        for child in children {
            match self.enter(WRITTEN, product, child, Submitter { by, expect: None }).await? {
                Outcome::Done(receipt) => ids.push(receipt.job.id),
                Outcome::Rejected(rejection) => return Ok(Outcome::Rejected(rejection)),
            }
        }
        let receipt = match self.enter(WRITTEN, product, parent, from).await? {
            Outcome::Done(receipt) => receipt,
            Outcome::Rejected(rejection) => return Ok(Outcome::Rejected(rejection)),
        };
        ids.push(receipt.job.id);
        match self.admit_all(product, &ids, by).await? {
            Some(rejection) => Ok(Outcome::Rejected(rejection)),
            None => Ok(self.as_it_stands(product, receipt).await?),
        }
    }

    /// Adds children to a composite that is still blocked.
    ///
    /// # Errors
    /// As for [`Ledger::submit_family`].
    pub async fn add_children(
        &self,
        product: &ProductId,
        parent: JobId,
        children: &[Content],
        by: &Actor,
    ) -> Result<Outcome<Job>, LedgerError> {
        let mut ids = Vec::with_capacity(children.len());
        for child in children {
            match self.enter(WRITTEN, product, child, Submitter { by, expect: None }).await? {
                Outcome::Done(receipt) => ids.push(receipt.job.id),
                Outcome::Rejected(rejection) => return Ok(Outcome::Rejected(rejection)),
            }
        }
        let wish = Wish::AddChildren(ids.clone());
        let outcome =
            self.change(&Ask { product, job: parent, by, wish: &wish }, Patience::short()).await?;
        let Outcome::Done(done) = outcome else { return Ok(outcome.map(|done| done.record)) };
        ids.push(parent);
        match self.admit_all(product, &ids, by).await? {
            Some(rejection) => Ok(Outcome::Rejected(rejection)),
            None => Ok(Outcome::Done(done.record)),
        }
    }

    /// One child, and its place among what its parent waits for.
    pub(crate) async fn submit_child(
        &self,
        product: &ProductId,
        parent: JobId,
        child: &Content,
        from: Submitter<'_>,
    ) -> Result<Outcome<Receipt>, LedgerError> {
        let receipt = match self.enter(WRITTEN, product, child, from).await? {
            Outcome::Done(receipt) => receipt,
            Outcome::Rejected(rejection) => return Ok(Outcome::Rejected(rejection)),
        };
        if let Some(rejection) = self.attach(product, parent, receipt.job.id, from.by).await? {
            return Ok(Outcome::Rejected(rejection));
        }
        self.as_it_stands(product, receipt).await
    }

    /// The parent waits for this child too, and both are admitted.
    pub(crate) async fn attach(
        &self,
        product: &ProductId,
        parent: JobId,
        child: JobId,
        by: &Actor,
    ) -> Result<Option<Rejection>, LedgerError> {
        let wish = Wish::AddChildren(vec![child]);
        let ask = Ask { product, job: parent, by, wish: &wish };
        if let Outcome::Rejected(rejection) = self.change(&ask, Patience::short()).await? {
            let stands = self.jobs.get(product, parent).await?.map(|found| found.record);
            // A repeat, after the parent went on: the child is known to it already.
            let known = stands.is_some_and(|job| job.content.dep_ids.contains(&child));
            if !known {
                return Ok(Some(rejection));
            }
        }
        self.admit_all(product, &[child, parent], by).await
    }

    async fn admit_all(
        &self,
        product: &ProductId,
        ids: &[JobId],
        by: &Actor,
    ) -> Result<Option<Rejection>, LedgerError> {
        for id in ids {
            if let Outcome::Rejected(rejection) = self.admit(product, *id, by).await? {
                return Ok(Some(rejection));
            }
        }
        Ok(None)
    }

    async fn as_it_stands(
        &self,
        product: &ProductId,
        receipt: Receipt,
    ) -> Result<Outcome<Receipt>, LedgerError> {
        let found = self.jobs.get(product, receipt.job.id).await?;
        Ok(Outcome::Done(match found {
            Some(found) => Receipt { etag: found.etag(), job: found.record, ..receipt },
            None => receipt,
        }))
    }
}
