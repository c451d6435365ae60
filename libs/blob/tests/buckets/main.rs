//! Blobs in a bucket: over S3's own protocol, as a server speaks it that checks signatures.

#[cfg(test)]
mod bucket;
