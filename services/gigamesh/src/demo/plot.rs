//! What happens to the victim: its host is killed, another one takes over, the dead one comes
//! back and is not heard. Knows how far the play is, and does one thing at a time.

use std::path::PathBuf;

use protocol::AboutJob;
use serde_json::Value;

use crate::demo::bill::VICTIM;
use crate::demo::crew::Crew;
use crate::demo::house::House;
use crate::demo::sight::Sight;
use crate::trouble::Trouble;

#[derive(Debug)]
pub(crate) enum Plot {
    /// The victim is not under way yet.
    Begins,
    Killed {
        factory: String,
        epoch: u64,
        twin: PathBuf,
    },
    Resumed {
        factory: String,
    },
    Refused,
}

impl Plot {
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Refused)
    }

    /// One step on, if what is seen calls for it; tells what was done.
    pub(crate) async fn go_on(
        &mut self,
        house: &House,
        crew: &mut Crew,
        seen: &[Sight],
    ) -> Result<Option<String>, Trouble> {
        let Some(victim) = seen.iter().find(|sight| sight.key == VICTIM) else { return Ok(None) };
        let (next, told) = match self {
            Self::Begins => {
                let (Some(factory), Some(_)) = (&victim.holder, &victim.progress) else {
                    return Ok(None);
                };
                let twin = crew.copy(factory)?;
                crew.kill(factory).await?;
                let told = format!("{factory} is killed with -9 while it holds {VICTIM}");
                let killed = Self::Killed { factory: factory.clone(), epoch: victim.epoch, twin };
                (killed, told)
            }
            Self::Killed { factory, epoch, twin } => {
                let Some(heir) = victim.holder.as_ref().filter(|heir| *heir != factory) else {
                    return Ok(None);
                };
                let now = victim.epoch;
                let told = format!(
                    "{heir} took {VICTIM} over under epoch {now}; {factory} comes back from a \
                     copy of its folder and still believes in epoch {epoch}"
                );
                crew.resume(factory, twin.clone())?;
                (Self::Resumed { factory: factory.clone() }, told)
            }
            Self::Resumed { factory } => {
                let events = house.about(AboutJob::Events, VICTIM).await?;
                let Some(refused) = events.iter().rev().find_map(refusal) else { return Ok(None) };
                (Self::Refused, format!("{factory} is not heard: {refused}"))
            }
            Self::Refused => return Ok(None),
        };
        *self = next;
        Ok(Some(told))
    }
}

/// A word that was refused, in one line.
pub(crate) fn refusal(event: &Value) -> Option<String> {
    let refused = event.get("data")?.get("refused")?;
    let (op, factory) = (refused["op"].as_str()?, refused["callerFactoryId"].as_str()?);
    let (said, stands) = (refused["callerEpoch"].as_u64()?, refused["currentEpoch"].as_u64()?);
    Some(format!("FENCED · {op} by {factory} under epoch {said}, the job is at epoch {stands}"))
}
