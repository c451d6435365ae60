//! Settings, good and bad.
