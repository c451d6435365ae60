//! What reaches the agent's one loop, from whichever task or thread.

use std::time::Duration;

use protocol::{Granted, StopWork};
use tokio::sync::oneshot;

use crate::hands::Word;
use crate::hold::{Ending, Grip};
use crate::session::Event;

#[derive(Debug)]
pub(crate) enum News {
    Seen(Event),
    /// A grant, and when the request left that brought it.
    Brought(Box<Granted>, Duration),
    /// It is to stop some work; whether it is known is answered.
    Told(StopWork, oneshot::Sender<bool>),
    /// A run speaks while it goes on.
    Heard(Grip, Word),
    Ended(Grip, Ending, Duration),
}
