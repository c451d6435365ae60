//! Profiles: made a version at a time, shown, and read for the submissions that name them.

use std::collections::BTreeMap;

use fleet::{Invalid, ProductId, ProfileRef, ProfileTerms, Submission};
use ledger::LedgerError;
use node::{Asked, Served, problem_of};
use protocol::{
    Code, Found, NewestProfile, OfProduct, Problem, ProfileStands, ProfileView, PutProfile,
};
use serde_json::{Map, Value};

use crate::Submit;

impl Submit {
    pub(crate) async fn put_profile(self, asked: Asked<PutProfile>) -> Served<PutProfile> {
        let invalid = |invalid: Invalid| Box::new(Problem::invalid(&invalid, asked.request_id));
        asked.ask.snapshot.check().map_err(invalid)?;
        let named = (asked.ask.name.clone(), asked.ask.version.get());
        let snapshot = asked.ask.snapshot.clone();
        let said = self.ledger.put_profile(&asked.product, named, snapshot).await;
        let put = asked.settle(said)?;
        let outcome = if put.is_new { "created" } else { "existing" };
        Ok(ProfileStands { outcome: outcome.to_owned(), profile: (*put.profile).clone() })
    }

    /// The one that is named, by its name or with its version, or the newest of each.
    pub(crate) async fn profiles(&self, asked: &Asked<OfProduct>) -> Served<OfProduct> {
        let failed = |error: LedgerError| problem_of(&error, asked.request_id);
        let Some(named) = &asked.ask.named else {
            let seen = self.ledger.profiles_of(&asked.product).await.map_err(failed)?;
            let view = |seen: &ledger::ProfileSeen| {
                let newest = NewestProfile::of(&seen.newest, seen.versions.len());
                value(&ProfileView::Newest(newest))
            };
            return Ok(Found { items: seen.iter().map(view).collect() });
        };
        let missing = || Box::new(Problem::new(Code::NotFound, asked.request_id));
        let named = ProfileRef::try_from(named.clone()).map_err(|_| missing())?;
        let found = self.ledger.profile(&asked.product, &named).await.map_err(failed)?;
        let view = ProfileView::Version(Box::new((*found.ok_or_else(missing)?).clone()));
        Ok(Found { items: vec![value(&view)] })
    }

    /// Of the profiles that a submission names, those that there are; without a name, nothing is
    /// read.
    pub(crate) async fn terms_of_profiles(
        &self,
        product: &ProductId,
        submission: &Submission,
        defaults: &Map<String, Value>,
    ) -> Result<BTreeMap<String, ProfileTerms>, LedgerError> {
        let mut terms = BTreeMap::new();
        for name in submission.profiles_named(defaults) {
            let Ok(named) = ProfileRef::try_from(name.clone()) else { continue };
            if let Some(profile) = self.ledger.profile(product, &named).await? {
                terms.insert(name, ProfileTerms::from(&profile.snapshot));
            }
        }
        Ok(terms)
    }
}

fn value(view: &ProfileView) -> Value {
    serde_json::to_value(view).expect("string keys and finite numbers encode")
}
