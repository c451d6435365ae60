//! What people and scripts see: every verb typed against a whole fleet behind a real door, or
//! against a door that answers as written.

#[cfg(test)]
mod artifacts;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod place;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod staying;
#[cfg(test)]
mod town;
#[cfg(test)]
mod transcripts;
#[cfg(test)]
mod views;
