//! Whether an account of Cosmos DB can hold records, and does. Writes nothing.

use std::error::Error;

use node::open::CosmosChoice;

use crate::doctor::Finding;

#[cfg(feature = "cosmos")]
pub(super) async fn look(choice: &CosmosChoice) -> Vec<Finding> {
    use std::time::Duration;

    use node::open;

    /// A driver tries for long where nobody answers.
    const WITHIN: Duration = Duration::from_secs(30);
    match tokio::time::timeout(WITHIN, open::look_at_account(choice)).await {
        Ok(Ok(account)) => findings(choice, &account),
        Ok(Err(error)) => vec![refused(choice, &error)],
        Err(_) => vec![Finding::bad("store", format!("{choice} did not answer in {WITHIN:?}"))],
    }
}

#[cfg(not(feature = "cosmos"))]
#[expect(clippy::unused_async, reason = "the same for callers")]
pub(super) async fn look(choice: &CosmosChoice) -> Vec<Finding> {
    vec![refused(choice, &node::open::NotOpened::CosmosNotBuiltIn)]
}

fn refused(choice: &CosmosChoice, error: &dyn Error) -> Finding {
    let mut said = format!("{choice}: {error}");
    let mut cause = error.source();
    while let Some(deeper) = cause {
        said += &format!(": {deeper}");
        cause = deeper.source();
    }
    Finding::bad("store", said)
}

#[cfg(feature = "cosmos")]
fn findings(choice: &CosmosChoice, account: &node::open::Account) -> Vec<Finding> {
    let node::open::Account { region, regions, consistency, generation, containers, faults } =
        account;
    let said = format!(
        "{choice}: {containers} containers, generation {generation}, written in {region}, \
         regions {regions}, {consistency}"
    );
    let mut findings = vec![Finding::ok("store", said)];
    let bad = |fault: &String| {
        let next = "restore it, or gigamesh admin init --store --new-generation if it is gone";
        Finding::bad("store", fault.clone()).next(next)
    };
    findings.extend(faults.iter().map(bad));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[tokio::test]
    async fn an_account_that_cannot_be_used_is_bad_and_says_why() {
        let choice = "cosmos+http://127.0.0.1:1/fleet".parse().unwrap();
        let found = look(&choice).await;
        assert_eq!(found.iter().map(|one| one.state).collect::<Vec<_>>(), [State::Bad]);
        assert!(found[0].said.starts_with("cosmos://127.0.0.1:1/fleet: "), "{found:?}");
    }
}
