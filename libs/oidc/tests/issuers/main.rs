//! Issuers as they are, and as attackers would have them: real keys, real sockets on loopback, and
//! a clock that each test moves by hand.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod keyring;
#[cfg(test)]
mod login;
#[cfg(test)]
mod redeemed;
#[cfg(test)]
mod untrusted;
