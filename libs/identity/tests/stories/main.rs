//! Stories of identity over real stores: what is known of whom, and who wins where two come at
//! once.

#[cfg(test)]
mod support;
#[cfg(test)]
mod tokens;
