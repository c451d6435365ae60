//! A whole fleet under seeded faults. One seed makes the ids, the jitter, the load and the faults;
//! one thread, paused time and ordered maps make the rest, so that a seed repeats itself to the
//! byte. What happened is a history of lines; the checks read nothing else but the records.

mod ask;
mod check;
mod corrupted;
mod dice;
mod directed;
mod factory;
mod fuse;
mod history;
mod keepers;
mod known;
mod load;
mod mutant;
mod people;
mod plan;
mod raw;
mod run;
mod seeds;
mod stores;
mod witness;
mod work;
mod world;
mod wrong;
