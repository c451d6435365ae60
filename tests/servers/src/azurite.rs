//! One Azurite, which speaks as Azure's blobs do: in memory, on a free port, under the one account
//! that every emulator has.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::ClientConfig;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::process::{Process, tied};
use crate::{Trouble, find, io, wait};

/// Its end, and its folder's, come with the drop.
#[derive(Debug)]
pub struct Azurite {
    port: u16,
    /// Whom those have to trust who speak TLS with it.
    sealed: Option<Sealed>,
    _process: Process,
    folder: TempDir,
}

#[derive(Debug)]
struct Sealed {
    roots: Vec<u8>,
    client: Arc<ClientConfig>,
}

/// What the account's key signed: that containers may be made, for ever.
const MAY_MAKE: &str = "sv=2019-12-12&ss=b&srt=c&sp=c&se=2099-01-01T00%3A00%3A00Z\
                        &sig=gtLKHeoHHaSXKYUU7mB05BvFhjAn49dYycgdR%2BgWtiU%3D";
const LISTENS: &str = "successfully listens on ";

impl Azurite {
    pub const ACCOUNT: &str = "devstoreaccount1";
    /// The same in every emulator, and published with it: no secret.
    pub const KEY: &str =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
    /// What an identity would show: who it is for and until 2100, and no signature, so no secret.
    pub const TOKEN: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJhdWQiOiJodHRwczovL3N0b3JhZ2UuYXp1cmUuY29t\
         IiwiaXNzIjoiaHR0cHM6Ly9zdHMud2luZG93cy5uZXQvYWIxZjcwOGQtNTBmNi00MDRjLWEwMDYtZDcx\
         YjJhYzdhNjA2LyIsImlhdCI6MSwibmJmIjoxLCJleHAiOjQxMDI0NDQ4MDAsIm9pZCI6IjExMDU5ZmNj\
         LTU1MTQtNDgwMC1iNWY4LTQ5ODA4YjljZmFiNiIsInRpZCI6ImFiMWY3MDhkLTUwZjYtNDA0Yy1hMDA2\
         LWQ3MWIyYWM3YTYwNiJ9.";

    /// Answers when it listens.
    ///
    /// # Errors
    /// When there is none to start, or it does not start.
    pub fn start() -> Result<Self, Trouble> {
        Self::run(None)
    }

    /// Over TLS, and open to tokens as well, of which it reads what they say but no signature.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn sealed(authority: &Authority) -> Result<Self, Trouble> {
        Self::run(Some(authority))
    }

    fn run(authority: Option<&Authority>) -> Result<Self, Trouble> {
        let folder = tempfile::tempdir().map_err(io("make a folder for the server"))?;
        let said = folder.path().join("log");
        let log = File::create(&said).map_err(io("make the server's log"))?;
        let noise = log.try_clone().map_err(io("make the server's log"))?;
        let mut command = tied(&find::azurite()?);
        command.args(["--silent", "--inMemoryPersistence", "--disableTelemetry"]);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", "0"]).current_dir(folder.path());
        let sealed = authority.map(|one| seal(&mut command, one, folder.path())).transpose()?;
        command.stdin(Stdio::null()).stdout(log).stderr(noise);
        let mut process = Process::run(command).map_err(io("start Azurite"))?;
        let port = wait::until(|| match port(&said) {
            Some(port) => Some(Some(port)),
            None => process.has_ended().then_some(None),
        });
        let log = || Trouble::NotReady { what: "listening", log: read(&said) };
        let port = port.flatten().ok_or_else(log)?;
        Ok(Self { port, sealed, _process: process, folder })
    }

    /// Where the account is: the part of an address before a container.
    pub fn endpoint(&self) -> String {
        let scheme = if self.sealed.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/{}", self.port, Self::ACCOUNT)
    }

    /// Whom to trust there, in PEM.
    pub fn roots(&self) -> Option<Vec<u8>> {
        self.sealed.as_ref().map(|sealed| sealed.roots.clone())
    }

    /// Makes a container.
    ///
    /// # Errors
    /// When it was not made.
    pub fn container(&self, name: &str) -> Result<(), Trouble> {
        let path = format!("/{}/{name}?restype=container&{MAY_MAKE}", Self::ACCOUNT);
        let client = self.sealed.as_ref().map(|sealed| Arc::clone(&sealed.client));
        let answer = wait::ask_over(client, (self.port, "PUT", &path)).unwrap_or_default();
        if answer.split(' ').nth(1) == Some("201") {
            return Ok(());
        }
        let log = format!("{answer}\n{}", read(&self.folder.path().join("log")));
        Err(Trouble::NotReady { what: "a new container", log })
    }
}

fn seal(command: &mut Command, authority: &Authority, folder: &Path) -> Result<Sealed, Trouble> {
    let files = authority.vouch(folder)?;
    command.args(["--oauth", "basic", "--cert"]).arg(&files.certificate);
    command.arg("--key").arg(&files.key);
    Ok(Sealed { roots: authority.roots(), client: authority.client() })
}

/// Of a line that is whole.
fn port(log: &Path) -> Option<u16> {
    let log = read(log);
    let (_, rest) = log.split_once(LISTENS)?;
    rest.split_once('\n')?.0.trim().rsplit_once(':')?.1.parse().ok()
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
