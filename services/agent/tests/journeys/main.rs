//! A whole fleet with real factories: jobs that are processes, and what happens when they fail,
//! hang, are taken away or outlive their agent.

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod town;

#[cfg(test)]
mod commands;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod losses;
#[cfg(test)]
mod offers;
#[cfg(test)]
mod restarts;
