//! Profiles: each version made once, the newest known by name, and the one that a claim runs. Only
//! point reads, but for the list that people look at and for the sweep.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use clock::{Clock, Ids};
use fleet::{
    Job, Lineage, LineageCommand, ProductId, Profile, ProfileCommand, ProfileName, ProfileRef,
    Record, Snapshot,
};
use store::Store;

use crate::Ledger;
use crate::outcome::{LedgerError, Outcome};
use crate::register::{Made, Register};
use crate::table::{PAGE, Table};

/// Versions that a process remembers. They never change, so that what is remembered is true.
const REMEMBERED: usize = 256;
/// Profiles that a list shows, the first by their names.
const LISTED: usize = 500;

#[derive(Clone, Debug)]
pub(crate) struct Profiles {
    versions: Register<Profile>,
    lineages: Table<Lineage>,
    remembered: Arc<Remembered>,
}

/// What became of putting a version.
#[derive(Clone, Debug)]
pub struct ProfilePut {
    pub profile: Arc<Profile>,
    /// Nothing stood there before.
    pub is_new: bool,
}

/// A profile among others: its newest version, and which there are.
#[derive(Clone, Debug)]
pub struct ProfileSeen {
    pub newest: Profile,
    pub versions: BTreeSet<u32>,
}

/// By product and id of the record.
#[derive(Debug, Default)]
struct Remembered(Mutex<BTreeMap<(ProductId, String), Arc<Profile>>>);

impl Profiles {
    pub(crate) fn over(store: &Arc<dyn Store>, clock: &Arc<dyn Clock>, ids: &Arc<dyn Ids>) -> Self {
        let versions = Register::over(store, clock, ids);
        Self { versions, lineages: Table::over(store, clock), remembered: Arc::default() }
    }
}

impl Remembered {
    fn of(&self, product: &ProductId, id: &str) -> Option<Arc<Profile>> {
        self.lock().get(&(product.clone(), id.to_owned())).cloned()
    }

    fn keep(&self, profile: &Arc<Profile>) {
        let mut known = self.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert((profile.head.product_id.clone(), profile.id.clone()), Arc::clone(profile));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(ProductId, String), Arc<Profile>>> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

impl Ledger {
    /// Makes a version, or finds that it is this very one already.
    /// † the version is there, the name not yet: said again, it is; else the sweep sees to it.
    ///
    /// # Errors
    /// The store is away, or the outcome cannot be known; repeat it.
    pub async fn put_profile(
        &self,
        product: &ProductId,
        named: (ProfileName, u32),
        snapshot: Snapshot,
    ) -> Result<Outcome<ProfilePut>, LedgerError> {
        let (name, version) = named;
        let command = ProfileCommand::Put(Box::new(snapshot.clone()));
        let now = self.clock.now();
        let wanted = Profile::new(name, version, snapshot, product.clone(), now);
        let versions = &self.profiles.versions;
        // Looked for first: what was made in the same moment is not told from one's own.
        let (found, is_new) = match versions.records.get(product, &wanted.id).await? {
            Some(found) => (found, false),
            None => match versions.make(wanted).await? {
                Made::New(found) => (found, true),
                Made::There(found) => (found, false),
            },
        };
        if let Err(rejection) = found.record.decide(&command, now) {
            return Ok(Outcome::Rejected(rejection));
        }
        let profile = Arc::new(found.record);
        let reached = self.reach(product, &profile.name, profile.version).await?;
        if let Outcome::Rejected(rejection) = reached {
            return Ok(Outcome::Rejected(rejection));
        }
        self.profiles.remembered.keep(&profile);
        Ok(Outcome::Done(ProfilePut { profile, is_new }))
    }

    /// A version, or the newest one of a name.
    ///
    /// # Errors
    /// The store is away.
    pub async fn profile(
        &self,
        product: &ProductId,
        named: &ProfileRef,
    ) -> Result<Option<Arc<Profile>>, LedgerError> {
        let version = match named.version {
            Some(version) => version,
            None => match self.profiles.lineages.get(product, &named.name).await? {
                Some(found) => found.record.newest,
                None => return Ok(None),
            },
        };
        let id = Profile::id_of(&named.name, version);
        if let Some(known) = self.profiles.remembered.of(product, &id) {
            return Ok(Some(known));
        }
        let found = self.profiles.versions.records.get(product, &id).await?;
        let profile = found.map(|found| Arc::new(found.record));
        if let Some(profile) = &profile {
            self.profiles.remembered.keep(profile);
        }
        Ok(profile)
    }

    /// The newest version of each profile, by name, and no more than are looked at together.
    ///
    /// # Errors
    /// The store is away.
    pub async fn profiles_of(&self, product: &ProductId) -> Result<Vec<ProfileSeen>, LedgerError> {
        let mut seen: BTreeMap<ProfileName, ProfileSeen> = BTreeMap::new();
        let mut cursor = None;
        loop {
            let (page, next) =
                self.profiles.versions.records.page(product, cursor.as_ref(), PAGE).await?;
            for profile in page.into_iter().map(|found| found.record) {
                see(&mut seen, profile);
            }
            let Some(next) = next else { return Ok(seen.into_values().collect()) };
            cursor = Some(next);
        }
    }

    /// What a claim of this job is to run: nothing is read for a job that names no profile.
    pub(crate) async fn profile_to_run(
        &self,
        job: &Job,
    ) -> Result<Option<Arc<Profile>>, LedgerError> {
        match &job.content.profile {
            Some(named) => self.profile(job.product(), named).await,
            None => Ok(None),
        }
    }

    /// What the newest claim of this job runs, whatever has been put since.
    pub(crate) async fn profile_run(&self, job: &Job) -> Result<Option<Arc<Profile>>, LedgerError> {
        match job.profile_claimed() {
            Some(claimed) => self.profile(job.product(), &claimed).await,
            None => Ok(None),
        }
    }

    /// The name leads to this version, or to a newer one.
    async fn reach(
        &self,
        product: &ProductId,
        name: &ProfileName,
        version: u32,
    ) -> Result<Outcome<()>, LedgerError> {
        let absent = Lineage::absent(name.clone(), product.clone(), self.clock.now());
        let command = LineageCommand::Reach(version);
        Ok(self.commit(&self.profiles.lineages, absent, &command).await?.map(|_| ()))
    }

    /// Finds versions whose putter died before their name led to them.
    pub(crate) async fn sweep_profiles(&self) -> Result<(), LedgerError> {
        let mut newest: BTreeMap<(ProductId, ProfileName), u32> = BTreeMap::new();
        let mut cursor = None;
        loop {
            let versions = &self.profiles.versions.records;
            let (page, next) = versions.page_of_all(cursor.as_ref(), PAGE).await?;
            for Profile { head, name, version, .. } in page.into_iter().map(|found| found.record) {
                let known = newest.entry((head.product_id, name)).or_default();
                *known = version.max(*known);
            }
            let Some(next) = next else { break };
            cursor = Some(next);
        }
        for ((product, name), version) in newest {
            self.reach(&product, &name, version).await?;
        }
        Ok(())
    }
}

/// A scan may show one twice, and in any order.
fn see(seen: &mut BTreeMap<ProfileName, ProfileSeen>, profile: Profile) {
    match seen.get_mut(&profile.name) {
        Some(known) => {
            known.versions.insert(profile.version);
            if profile.version > known.newest.version {
                known.newest = profile;
            }
        }
        None => {
            let (name, versions) = (profile.name.clone(), [profile.version].into());
            seen.insert(name, ProfileSeen { newest: profile, versions });
            if seen.len() > LISTED {
                seen.pop_last();
            }
        }
    }
}
