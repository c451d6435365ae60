//! Giving a queued job to one factory. The filters are judged on the very version that the claim
//! is then written upon.

use crate::job::Job;
use crate::job::evolve::Change;
use crate::job::fit::{Unfit, unfit};
use crate::job::wish::{Circumstances, Claim};
use crate::rejection::{Code, Rejection};
use crate::stage::Stage;
use crate::time::Timestamp;

impl Job {
    pub(crate) fn claim(
        &self,
        claim: &Claim,
        given: &Circumstances,
        now: Timestamp,
    ) -> Result<Option<Change>, Rejection> {
        if self.claim.run_id == Some(claim.nonce) {
            return Ok(None);
        }
        match self.stage {
            Stage::Queued if self.admitted => {}
            Stage::Queued | Stage::Blocked => return Err(self.no_transition("not_claimable")),
            Stage::Assigned(_)
            | Stage::Building(_)
            | Stage::Review(Some(_))
            | Stage::Testing(Some(_)) => return Err(self.reject(Code::Conflict).because("taken")),
            Stage::Review(None)
            | Stage::Testing(None)
            | Stage::Shipped
            | Stage::Failed(_)
            | Stage::DeadLetter(_) => return Err(self.no_transition("not_claimable")),
        }
        // A late copy of a claim must not win a job that has been out and back since.
        if claim.epoch_seen != self.lease_epoch {
            return Err(self.reject(Code::Conflict).because("epoch_moved"));
        }
        let unfit = unfit(self, &claim.bidder, given, now);
        match unfit.or_else(|| self.lacks_engine(claim)) {
            Some(why) => Err(self.reject(Code::Conflict).because(why.code())),
            None if self.mistakes_profile(claim) => {
                Err(self.reject(Code::Conflict).because("profile_unavailable"))
            }
            None => Ok(Some(Change::Claimed(Box::new(claim.clone())))),
        }
    }

    /// The engine of a profile without a version is not known before somebody claims.
    fn lacks_engine(&self, claim: &Claim) -> Option<Unfit> {
        let said = self.content.engine.is_some() || self.content.engine_class.is_some();
        let chosen = claim.profile.as_ref().filter(|_| !said)?;
        (!claim.bidder.engines.contains(&chosen.engine)).then_some(Unfit::EngineUnavailable)
    }

    /// Whether what was found is not what the job names: no run begins without its recipe.
    fn mistakes_profile(&self, claim: &Claim) -> bool {
        match (&self.content.profile, &claim.profile) {
            (None, None) => false,
            (Some(named), Some(chosen)) => {
                named.version.is_some_and(|version| version != chosen.version)
            }
            (Some(_), None) | (None, Some(_)) => true,
        }
    }
}
