//! Jobs that ask for the same are one class: whether a class fits a bidder is judged once, not
//! once for each job.

use std::collections::BTreeMap;

use crate::capability::{Capability, unmet};
use crate::id::{EngineName, FactoryId};
use crate::job::Bidder;

type Class = (Vec<Capability>, Option<EngineName>);

#[derive(Debug, Default)]
pub(super) struct Classes {
    numbers: BTreeMap<Class, u32>,
    known: Vec<Class>,
    judged: BTreeMap<FactoryId, Judged>,
}

/// What was found of a factory as it last described itself.
#[derive(Debug, Default)]
struct Judged {
    capabilities: Vec<Capability>,
    engines: Vec<EngineName>,
    /// By class.
    fits: Vec<bool>,
}

impl Classes {
    pub(super) fn number(&mut self, asked: &[Capability], engine: Option<&EngineName>) -> u32 {
        let class = (asked.to_vec(), engine.cloned());
        if let Some(number) = self.numbers.get(&class) {
            return *number;
        }
        let number = u32::try_from(self.known.len()).expect("fewer classes than 2^32");
        self.known.push(class.clone());
        self.numbers.insert(class, number);
        number
    }

    /// By class, whether it fits. Remembered until the factory describes itself otherwise.
    pub(super) fn fitting(&mut self, bidder: &Bidder) -> &[bool] {
        let judged = self.judged.entry(bidder.factory.clone()).or_default();
        if judged.capabilities != bidder.capabilities || judged.engines != bidder.engines {
            judged.capabilities.clone_from(&bidder.capabilities);
            judged.engines.clone_from(&bidder.engines);
            judged.fits.clear();
        }
        for (asked, engine) in self.known.iter().skip(judged.fits.len()) {
            let has_engine = engine.as_ref().is_none_or(|engine| judged.engines.contains(engine));
            judged.fits.push(has_engine && unmet(asked, &judged.capabilities).is_none());
        }
        &judged.fits
    }
}
