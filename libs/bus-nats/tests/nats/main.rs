//! The bus on genuine servers: the laws of its seam, and what the seam cannot say: servers that die,
//! strangers, discovery, the streams themselves.

#[cfg(test)]
mod discovery;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod world;
