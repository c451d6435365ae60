//! The checks themselves, on histories that were damaged by hand.
