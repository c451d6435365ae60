//! The secret of a door that `serve` opens: the one that was given, else the folder's own. Says no
//! before anything is opened where a door is to reach further than its secret was meant for.

use std::path::PathBuf;

use ::dev::Home;
use clock::System;
use gateway::LocalToken;

use crate::serve::Serve;
use crate::surroundings::Surroundings;
use crate::trouble::Trouble;

/// What a door beyond loopback needs, in words to type.
pub(crate) const BEYOND: &str = "--listen 127.0.0.1:4600; or, where the network is trusted, a token \
     of 32 characters or more (--token-file FILE, or GIGAMESH_TOKEN) and the names that callers use \
     (--allow-host NAME)";

/// What whoever started this process gave it, if anything.
#[derive(Debug)]
pub(crate) struct Given(Option<LocalToken>);

#[derive(Debug)]
pub(crate) struct Secret {
    pub(crate) token: LocalToken,
    /// Where it lies, if the folder keeps it.
    pub(crate) file: Option<PathBuf>,
}

impl Secret {
    pub(crate) fn given(serve: &Serve, around: &Surroundings) -> Result<Given, Trouble> {
        if !serve.role.has_door() {
            return Ok(Given(None));
        }
        let given = around.token()?;
        // A folder's token was made for those who share its disk.
        if !serve.listen.ip().is_loopback() && (given.is_none() || serve.allow_host.is_empty()) {
            let why = format!("{} is not a loopback address, and there is no TLS", serve.listen);
            let trouble = Trouble::usage("the door cannot be opened").because(why);
            return Err(trouble.next(BEYOND));
        }
        Ok(Given(given))
    }
}

impl Given {
    pub(crate) fn or_of(self, home: &Home) -> Result<Secret, Trouble> {
        Ok(match self.0 {
            Some(token) => Secret { token, file: None },
            None => {
                let token = home.token(&System::start())?;
                Secret { token, file: Some(home.token_file()) }
            }
        })
    }
}
