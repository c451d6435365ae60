//! One Azurite, which speaks as Azure's blobs do: in memory, on a free port, under the one account
//! that every emulator has.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use crate::process::{Process, tied};
use crate::{Trouble, find, io, wait};

/// Its end, and its folder's, come with the drop.
#[derive(Debug)]
pub struct Azurite {
    port: u16,
    _process: Process,
    folder: TempDir,
}

/// What the account's key signed: that containers may be made, for ever.
const MAY_MAKE: &str = "sv=2019-12-12&ss=b&srt=c&sp=c&se=2099-01-01T00%3A00%3A00Z\
                        &sig=gtLKHeoHHaSXKYUU7mB05BvFhjAn49dYycgdR%2BgWtiU%3D";
const LISTENS: &str = "successfully listens on http://127.0.0.1:";

impl Azurite {
    pub const ACCOUNT: &str = "devstoreaccount1";
    /// The same in every emulator, and published with it: no secret.
    pub const KEY: &str =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    /// Answers when it listens.
    ///
    /// # Errors
    /// When there is none to start, or it does not start.
    pub fn start() -> Result<Self, Trouble> {
        let folder = tempfile::tempdir().map_err(io("make a folder for the server"))?;
        let said = folder.path().join("log");
        let log = File::create(&said).map_err(io("make the server's log"))?;
        let noise = log.try_clone().map_err(io("make the server's log"))?;
        let mut command = tied(&find::azurite()?);
        command.args(["--silent", "--inMemoryPersistence", "--disableTelemetry"]);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", "0"]).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(log).stderr(noise);
        let mut process = Process::run(command).map_err(io("start Azurite"))?;
        let port = wait::until(|| match port(&said) {
            Some(port) => Some(Some(port)),
            None => process.has_ended().then_some(None),
        });
        let log = || Trouble::NotReady { what: "listening", log: read(&said) };
        let port = port.flatten().ok_or_else(log)?;
        Ok(Self { port, _process: process, folder })
    }

    /// Where the account is: the part of an address before a container.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{}", self.port, Self::ACCOUNT)
    }

    /// Makes a container.
    ///
    /// # Errors
    /// When it was not made.
    pub fn container(&self, name: &str) -> Result<(), Trouble> {
        let path = format!("/{}/{name}?restype=container&{MAY_MAKE}", Self::ACCOUNT);
        let answer = wait::ask(self.port, "PUT", &path).unwrap_or_default();
        if answer.split(' ').nth(1) == Some("201") {
            return Ok(());
        }
        let log = format!("{answer}\n{}", read(&self.folder.path().join("log")));
        Err(Trouble::NotReady { what: "a new container", log })
    }
}

/// Of a line that is whole.
fn port(log: &Path) -> Option<u16> {
    let log = read(log);
    let (_, rest) = log.split_once(LISTENS)?;
    rest.split_once('\n')?.0.trim().parse().ok()
}

fn read(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn an_azurite_has_the_containers_that_were_made_and_is_gone_when_dropped() {
        let azurite = Azurite::start().unwrap();
        azurite.container("fleet").unwrap();
        azurite.container("fleet").expect_err("it is there already");
        let (port, folder) = (azurite.port, azurite.folder.path().to_owned());
        assert_eq!(azurite.endpoint(), format!("http://127.0.0.1:{port}/devstoreaccount1"));
        drop(azurite);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(!folder.exists());
    }
}
