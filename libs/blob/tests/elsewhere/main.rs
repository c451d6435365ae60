//! Blobs that are kept elsewhere: over Azure's own protocol, as Azurite speaks it, and of S3 what
//! can be told without a server.

#[cfg(test)]
mod carried;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod links;
