//! How often somebody may try to come in. Kept in memory by each replica, so a fleet of n gateways
//! allows n times as much; bounded, so that who tries with many names pushes out what is known and
//! takes no room.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const WINDOW: Duration = Duration::from_mins(1);
const PER_ACCOUNT: usize = 5;
const PER_ADDRESS: usize = 20;
/// In each of two generations.
const GENERATION: usize = 8192;

#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<Generations>);

/// By whom, the moments of the last attempts within the window, the oldest first.
type Tried = BTreeMap<Whom, Vec<Duration>>;

#[derive(Debug, Default)]
struct Generations {
    young: Tried,
    old: Tried,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whom {
    Account(String),
    /// A host; of the longer addresses, the network that one customer has all of.
    Address(u128),
}

impl Attempts {
    /// Counts an attempt, or says how long to wait until the next one counts. One that is sent
    /// away is not counted, so that waiting helps.
    pub(crate) fn count(
        &self,
        account: Option<&str>,
        from: IpAddr,
        now: Duration,
    ) -> Result<(), Duration> {
        let address = (Whom::Address(network(from)), PER_ADDRESS);
        let account = account.map(|id| (Whom::Account(id.to_owned()), PER_ACCOUNT));
        let limits: Vec<_> = account.into_iter().chain([address]).collect();
        // One lock for looking and counting: of many at once, no more than the limit come in.
        let mut tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = limits.iter().filter_map(|(whom, most)| tried.wait(whom, *most, now));
        if let Some(wait) = waits.max() {
            return Err(wait);
        }
        for (whom, most) in limits {
            tried.add(whom, most, now);
        }
        Ok(())
    }
}

impl Generations {
    fn wait(&self, whom: &Whom, most: usize, now: Duration) -> Option<Duration> {
        let tried = self.young.get(whom).or_else(|| self.old.get(whom))?;
        let recent = tried.iter().filter(|at| now.saturating_sub(**at) < WINDOW);
        let recent: Vec<_> = recent.collect();
        let first_to_leave = recent.len().checked_sub(most)?;
        Some(WINDOW.saturating_sub(now.saturating_sub(*recent[first_to_leave])))
    }

    fn add(&mut self, whom: Whom, most: usize, now: Duration) {
        let mut tried = self.young.remove(&whom).or_else(|| self.old.remove(&whom));
        let tried = tried.get_or_insert_default();
        tried.retain(|at| now.saturating_sub(*at) < WINDOW);
        tried.push(now);
        tried.truncate(most);
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(whom, std::mem::take(tried));
    }
}

fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(four) => u128::from(four.to_bits()),
        IpAddr::V6(six) => six.to_bits() & !u128::from(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn host(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn the_sixth_attempt_on_an_account_within_a_minute_waits_for_the_first_to_be_one_ago() {
        let attempts = Attempts::default();
        for n in 0..5 {
            attempts.count(Some("ada"), host(n), SECOND * n).unwrap();
        }
        assert_eq!(attempts.count(Some("ada"), host(9), 10 * SECOND), Err(50 * SECOND));
        assert_eq!(attempts.count(Some("eve"), host(9), 10 * SECOND), Ok(()));
        assert_eq!(attempts.count(Some("ada"), host(9), 60 * SECOND), Ok(()));
        assert_eq!(attempts.count(Some("ada"), host(9), 60 * SECOND), Err(SECOND));
    }

    #[test]
    fn an_address_has_twenty_whatever_accounts_it_tries() {
        let attempts = Attempts::default();
        for n in 0..20 {
            attempts.count(Some(&n.to_string()), host(1), SECOND).unwrap();
        }
        assert_eq!(attempts.count(Some("ada"), host(1), SECOND), Err(WINDOW));
        assert_eq!(attempts.count(Some("ada"), host(2), SECOND), Ok(()));
    }

    #[test]
    fn one_customers_network_is_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }

    #[test]
    fn a_crowd_takes_no_more_room_than_two_generations() {
        let attempts = Attempts::default();
        for n in 0..5 * u32::try_from(GENERATION).unwrap() {
            attempts.count(Some(&n.to_string()), host(n), SECOND).unwrap();
        }
        let tried = attempts.0.lock().unwrap();
        assert!(tried.young.len() <= GENERATION && tried.old.len() <= GENERATION);
    }
}
