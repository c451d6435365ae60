//! Plain breadth-first search. Keeps a hash of every state and who led to it, so that a violation
//! comes with a shortest trace; knows nothing of what it searches.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A world and all that may happen in it.
pub(crate) trait Model {
    type State;

    fn start(&self) -> Self::State;
    /// Every move that is possible `at` a state.
    fn moves(&self, at: &Self::State, out: &mut Moves<Self::State>);
    /// What makes two states the same.
    fn key(&self, state: &Self::State) -> u128;
    /// # Errors
    /// What is wrong with the state.
    fn check(&self, state: &Self::State) -> Result<(), String>;
    /// The records, for people.
    fn show(&self, state: &Self::State) -> String;
}

/// The moves of one state; labels are made only when somebody reads them.
pub(crate) struct Moves<S> {
    telling: bool,
    list: Vec<(String, S)>,
    pub(crate) reached: BTreeSet<&'static str>,
}

impl<S> Moves<S> {
    fn new(telling: bool) -> Self {
        Self { telling, list: Vec::new(), reached: BTreeSet::new() }
    }

    pub(crate) fn add(&mut self, label: impl FnOnce() -> String, to: S) {
        let label = if self.telling { label() } else { String::new() };
        self.list.push((label, to));
    }

    /// Notes what the moves brought about.
    pub(crate) fn hear(&mut self, mut news: impl FnMut(&mut S) -> Vec<&'static str>) {
        for (_, state) in &mut self.list {
            self.reached.extend(news(state));
        }
    }
}

/// What a search came to.
pub(crate) struct Outcome {
    pub(crate) states: usize,
    pub(crate) depth: u32,
    pub(crate) reached: BTreeSet<&'static str>,
    /// The shortest way to the first thing that is wrong.
    pub(crate) trace: Option<String>,
}

struct Seen<S> {
    from: usize,
    nth: usize,
    depth: u32,
    state: S,
}

/// The states already met: what led to each, by number.
struct Tree {
    parents: Vec<(usize, usize)>,
}

impl Tree {
    fn path(&self, mut to: usize) -> Vec<usize> {
        let mut path = Vec::new();
        while to != 0 {
            let (from, nth) = self.parents[to];
            path.push(nth);
            to = from;
        }
        path.reverse();
        path
    }
}

/// Looks at every state that can be reached, or stops at the first one that is wrong.
pub(crate) fn search<M: Model>(model: &M, most: usize) -> Outcome {
    let mut known = BTreeSet::new();
    let mut tree = Tree { parents: Vec::new() };
    let mut ahead = VecDeque::new();
    let mut outcome = Outcome { states: 0, depth: 0, reached: BTreeSet::new(), trace: None };
    let start = model.start();
    known.insert(model.key(&start));
    ahead.push_back(Seen { from: 0, nth: 0, depth: 0, state: start });
    while let Some(seen) = ahead.pop_front() {
        let number = tree.parents.len();
        tree.parents.push((seen.from, seen.nth));
        outcome.depth = seen.depth;
        if let Err(wrong) = model.check(&seen.state) {
            outcome.trace = Some(told(model, &tree.path(number), &wrong));
            break;
        }
        let mut moves = Moves::new(false);
        model.moves(&seen.state, &mut moves);
        outcome.reached.append(&mut moves.reached);
        for (nth, (_, state)) in moves.list.into_iter().enumerate() {
            if known.insert(model.key(&state)) {
                ahead.push_back(Seen { from: number, nth, depth: seen.depth + 1, state });
            }
        }
        assert!(known.len() <= most, "more than {most} states");
    }
    outcome.states = known.len();
    outcome
}

/// Walks the way again, this time telling.
fn told<M: Model>(model: &M, path: &[usize], wrong: &str) -> String {
    let mut at = model.start();
    let mut shown = model.show(&at);
    let mut lines = vec![format!("    {shown}")];
    for (step, nth) in path.iter().enumerate() {
        let mut moves = Moves::new(true);
        model.moves(&at, &mut moves);
        let (label, next) = moves.list.swap_remove(*nth);
        lines.push(format!("{:>2}. {label}", step + 1));
        let now = model.show(&next);
        if now != shown {
            lines.push(format!("    {now}"));
        }
        shown = now;
        at = next;
    }
    format!("{}\n=> {wrong}\n", lines.join("\n"))
}

/// 64 bits of what a value is; the same in every run.
pub(crate) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Wide enough that two states never share a hash by chance.
pub(crate) fn wide_hash_of(value: &impl Hash) -> u128 {
    let mut other = DefaultHasher::new();
    0x9e37_79b9_u32.hash(&mut other);
    value.hash(&mut other);
    (u128::from(hash_of(value)) << 64) | u128::from(other.finish())
}
