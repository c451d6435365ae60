//! The fleet as a whole, in one process: the simulation under seeded faults, with the wrong
//! designs that it must catch.

#[cfg(test)]
mod sim;
