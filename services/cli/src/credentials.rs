//! Verbs about credentials of programs and factories. A secret is shown once: on standard output,
//! or in a new file that only its owner can read, which is there before the secret is asked for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use client::{CallError, Patience};
use fleet::{Span, Timestamp};
use protocol::{EnrollFactory, Enrolled, IssueToken, RotateToken, Secret};
use serde_json::{Value, json};

use crate::args::{Enroll, FactoryVerb, Issue, Revoke, Rotate, Tokens, TokensVerb, Told};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::shape::{self, Shape};
use crate::trouble::Trouble;

pub(crate) async fn tokens(
    desk: &mut Desk,
    wanted: Tokens,
    folder: &Path,
) -> Result<Exit, Trouble> {
    match wanted.verb {
        None | Some(TokensVerb::List) => list(desk).await,
        Some(TokensVerb::Issue(wanted)) => issue(desk, wanted, folder).await,
        Some(TokensVerb::Revoke { id }) => revoke(desk, &id).await,
    }
}

pub(crate) async fn factory(
    desk: &mut Desk,
    verb: FactoryVerb,
    folder: &Path,
) -> Result<Exit, Trouble> {
    match verb {
        FactoryVerb::Enroll(wanted) => enroll(desk, wanted, folder).await,
        FactoryVerb::Rotate(wanted) => rotate(desk, wanted, folder).await,
        FactoryVerb::Revoke(wanted) => revoke_factory(desk, &wanted).await,
    }
}

async fn list(desk: &mut Desk) -> Result<Exit, Trouble> {
    let tokens = desk.link.tokens(desk.patience()).await;
    let tokens = tokens.map_err(|error| desk.refused(error))?;
    let shown: Vec<Value> = tokens.iter().map(|token| json!(token)).collect();
    let now = desk.now();
    desk.printer.list(&shape::TOKEN, &shown, now)?;
    Ok(Exit::Done)
}

async fn issue(desk: &mut Desk, wanted: Issue, folder: &Path) -> Result<Exit, Trouble> {
    let ready = Ready::of(&wanted.told, folder)?;
    let asked = IssueToken {
        name: wanted.name,
        role: wanted.role,
        yolo: wanted.yolo,
        expires_at: ends(desk, wanted.expires),
    };
    let patience = desk.patience();
    let issued = changed(desk, patience, desk.link.issue(&asked, patience).await)?;
    ready.tell(desk, &shape::TOKEN, json!(issued.shown), &issued.token)
}

async fn revoke(desk: &mut Desk, id: &str) -> Result<Exit, Trouble> {
    let patience = desk.patience();
    let revoked = changed(desk, patience, desk.link.revoke(id, patience).await);
    revoked.map_err(|no| no.naming("token", id, "gigamesh tokens"))?;
    let item = json!({ "id": id, "revoked": true });
    desk.printer.told(&shape::TOKEN, &item, &[format!("revoked {id}")])?;
    Ok(Exit::Done)
}

async fn enroll(desk: &mut Desk, wanted: Enroll, folder: &Path) -> Result<Exit, Trouble> {
    let ready = Ready::of(&wanted.told, folder)?;
    let asked = EnrollFactory {
        factory_id: wanted.factory,
        capabilities: Some(wanted.capabilities).filter(|some| !some.is_empty()),
        expires_at: ends(desk, wanted.expires),
    };
    let patience = desk.patience();
    let enrolled = changed(desk, patience, desk.link.enroll(&asked, patience).await)?;
    tell_enrolled(desk, ready, &enrolled)
}

async fn rotate(desk: &mut Desk, wanted: Rotate, folder: &Path) -> Result<Exit, Trouble> {
    let ready = Ready::of(&wanted.told, folder)?;
    // What does not fit is more than a day, which the fleet refuses with its bound.
    let seconds = |span: Span| u32::try_from(span.duration().as_secs()).unwrap_or(u32::MAX);
    let asked = RotateToken { grace_sec: wanted.grace.map(seconds) };
    let patience = desk.patience();
    let rotated = desk.link.rotate(&wanted.factory, &asked, patience).await;
    let rotated = changed(desk, patience, rotated);
    let named = wanted.factory.as_str();
    let rotated = rotated.map_err(|no| no.naming("factory with a token", named, ENROLL))?;
    tell_enrolled(desk, ready, &rotated)
}

async fn revoke_factory(desk: &mut Desk, wanted: &Revoke) -> Result<Exit, Trouble> {
    let patience = desk.patience();
    let revoked = desk.link.revoke_factory(&wanted.factory, wanted.fence, patience).await;
    let named = wanted.factory.as_str();
    let revoked = changed(desk, patience, revoked);
    revoked.map_err(|no| no.naming("factory with a token", named, ENROLL))?;
    let item = json!({ "factoryId": named, "revoked": true });
    let line = format!("revoked every token of {named}");
    desk.printer.told(&shape::ENROLLED, &item, &[line])?;
    Ok(Exit::Done)
}

const ENROLL: &str = "gigamesh factory enroll FACTORY";

fn tell_enrolled(desk: &mut Desk, ready: Ready, enrolled: &Enrolled) -> Result<Exit, Trouble> {
    let mut item = json!(enrolled);
    if let Some(members) = item.as_object_mut() {
        members.remove("token");
    }
    ready.tell(desk, &shape::ENROLLED, item, &enrolled.token)
}

fn ends(desk: &Desk, after: Option<Span>) -> Option<Timestamp> {
    after.map(|span| desk.now().plus(span.duration()))
}

pub(crate) fn changed<T>(
    desk: &Desk,
    patience: Patience,
    said: Result<T, CallError>,
) -> Result<T, Trouble> {
    said.map_err(|error| desk.failed_to_change(error, patience))
}

/// A place for a secret, ready before there is one.
pub(crate) struct Ready(Option<Kept>);

/// A new file, which goes again unless something was written to it.
struct Kept {
    path: PathBuf,
    file: File,
    written: bool,
}

impl Ready {
    pub(crate) fn of(told: &Told, folder: &Path) -> Result<Self, Trouble> {
        let Some(named) = &told.token_out else { return Ok(Self(None)) };
        let path = folder.join(named);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = made.map_err(|why| {
            Trouble::usage(format!("the token cannot be written to {}", path.display()))
                .because(why.to_string())
                .next("name a file that is not there yet with --token-out")
        })?;
        Ok(Self(Some(Kept { path, file, written: false })))
    }

    pub(crate) fn tell(
        self,
        desk: &mut Desk,
        shape: &Shape,
        mut item: Value,
        secret: &Secret,
    ) -> Result<Exit, Trouble> {
        let Some(mut kept) = self.0 else {
            item["token"] = json!(secret.reveal());
            desk.printer.told(shape, &item, &[secret.reveal().to_owned()])?;
            desk.printer.talk("this token is shown once");
            return Ok(Exit::Done);
        };
        kept.write(secret)?;
        let now = desk.now();
        desk.printer.one(shape, &item, now)?;
        desk.printer.talk(&format!("the token is in {}", kept.path.display()));
        Ok(Exit::Done)
    }
}

impl Kept {
    fn write(&mut self, secret: &Secret) -> io::Result<()> {
        self.file.write_all(secret.reveal().as_bytes())?;
        self.file.write_all(b"\n")?;
        self.file.sync_all()?;
        self.written = true;
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.written {
            drop(fs::remove_file(&self.path));
        }
    }
}
