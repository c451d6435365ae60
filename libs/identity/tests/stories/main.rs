//! Stories of identity over real stores: what is known of whom, and who wins where two come at
//! once.

#[cfg(test)]
mod bindings;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod factories;
#[cfg(test)]
mod people;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod watched;
