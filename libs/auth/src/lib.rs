//! Who may do what: roles, principals, and the one question that every door asks of them; what is
//! stored of people, tokens and sessions, and its rules. Pure: what is stored, the time and chance
//! are arguments.

mod account;
mod email;
mod kinds;
mod mint;
mod password;
mod principal;
mod session;
mod stored;
mod token;
mod user;
mod verification;

pub use account::{Account, AccountCommand, AccountEvent};
pub use email::{BadEmail, Email, LONGEST_NAME, is_name};
pub use kinds::{CONTAINERS, record_schemas};
pub use mint::{Credential, csrf_of, digest_of, same};
pub use password::{BadPassword, Cost, Phc};
pub use principal::{Binding, Denied, FactoryScope, Principal, Standing, Who};
pub use session::{Session, SessionCommand, SessionEvent};
pub use stored::{Form, Stored};
pub use token::{LONGEST_GRACE, Token, TokenCommand, TokenEvent, Wanted};
pub use user::{Bound, MOST_BINDINGS, User, UserCommand, UserEvent};
pub use verification::{Purpose, Verification, VerificationCommand, VerificationEvent};
