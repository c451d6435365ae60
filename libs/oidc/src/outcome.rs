//! Why a token or a login is refused. For logs and counters: to whoever came, all of them are the
//! same answer.

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NotOurs {
    /// It is no token of this form, in size, parts, encoding or content.
    #[error("this is no token that is read here")]
    Malformed,
    /// No configured issuer made it.
    #[error("its issuer is not configured")]
    Stranger,
    /// Its algorithm is not allowed, its key is not the issuer's, or its signature is wrong.
    #[error("no key of its issuer signed it")]
    Unproven,
    /// It is meant for somebody else.
    #[error("it was issued for somebody else")]
    Misdirected,
    /// It has expired, or is not valid yet.
    #[error("it has expired, or is not valid yet")]
    Untimely,
    /// The issuer's keys could not be fetched, or too long ago: nobody can tell.
    #[error("the keys of its issuer are not to be had")]
    Away,
}

/// Why a login through an issuer did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum LoginRefused {
    /// There is no provider of that name that people log in by.
    #[error("no such provider")]
    Unknown,
    /// It was not begun here by this browser, too long ago, or is finished already.
    #[error("this login was not begun here, has expired, or was finished before")]
    Unasked,
    /// The issuer said no.
    #[error("the issuer declined")]
    Declined,
    /// What the issuer said of them is not believed.
    #[error("what the issuer told is not believed: {0}")]
    Unproven(NotOurs),
    /// The issuer cannot be reached, or does not answer as one does.
    #[error("the issuer cannot be reached, or answers nonsense")]
    Away,
    /// More logins were finished lately than are remembered.
    #[error("too many logins at once")]
    Busy,
}
