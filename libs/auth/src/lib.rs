//! Who may do what: roles, principals, and the one question that every door asks of them. Pure:
//! what is stored, the time and chance are arguments.

mod principal;

pub use principal::{Binding, Denied, FactoryScope, Principal, Standing, Who};
