//! The binary with its bytes elsewhere: what a person does with `dev`, once for each place.

#[cfg(test)]
mod fleet;
#[cfg(test)]
mod places;
