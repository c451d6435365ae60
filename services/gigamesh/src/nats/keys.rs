//! The keys that servers and credentials are signed with, each in a file of its own that nobody
//! else reads. What is there is kept; what is missing is made. Never shows one.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clock::{Clock, Ids, System};
use nkeys::{KeyPair, KeyPairType};
use protocol::{Permits, Purpose};
use tempfile::NamedTempFile;

use super::token::{self, Account, Scope, User};
use super::{mint, unwritten};
use crate::trouble::Trouble;

pub(super) const FOR_ME: u32 = 0o600;
pub(super) const FOR_ALL: u32 = 0o644;

/// A folder of keys.
pub(super) struct Ring(PathBuf);

/// A token, and whom it is about.
pub(super) struct Signed {
    pub(super) id: String,
    pub(super) token: String,
}

impl Ring {
    pub(super) fn at(folder: &Path) -> Self {
        Self(folder.join("keys"))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    pub(super) fn operator(&self, time: &System) -> Result<String, Trouble> {
        let (key, system) = (self.key(OPERATOR, KeyPairType::Operator)?, self.system_id()?);
        let body = token::operator(&system);
        token::signed((&key, &key.public_key()), "gigamesh", body, stamp(time))
            .map_err(|error| unsigned(&error))
    }

    /// Of the servers' own account, to which nobody has a credential.
    pub(super) fn system(&self, time: &System) -> Result<Signed, Trouble> {
        let (id, body) = (self.system_id()?, token::system());
        self.by_operator(id, "SYS", body, time)
    }

    /// Of a fleet. What each role may do stands in it; a credential says only who one is.
    pub(super) fn account(
        &self,
        fleet: &str,
        permits: impl Fn(Purpose) -> Permits,
        time: &System,
    ) -> Result<Signed, Trouble> {
        let id = self.key(&in_fleet(fleet, "account"), KeyPairType::Account)?.public_key();
        let scopes: Result<Vec<_>, Trouble> = Purpose::ALL
            .into_iter()
            .map(|role| {
                let key = self.key(&in_fleet(fleet, role.as_str()), KeyPairType::Account)?;
                Ok(Scope::new(role, key.public_key(), permits(role)))
            })
            .collect();
        let body = token::account(Account { scopes: scopes? });
        put(&self.0.join(in_fleet(fleet, PUBLIC)), &id, FOR_ALL)?;
        self.by_operator(id, fleet, body, time)
    }

    /// A credentials file. Takes the key of that role alone, and makes none.
    pub(super) fn user(
        &self,
        fleet: &str,
        role: Purpose,
        user: &User<'_>,
        time: &System,
    ) -> Result<String, Trouble> {
        let file = self.0.join(in_fleet(fleet, PUBLIC));
        let account = fs::read_to_string(&file).map_err(|error| nothing_made(&file, &error))?;
        let file = self.0.join(in_fleet(fleet, role.as_str()));
        let signer = read(&file, &KeyPairType::Account)?
            .ok_or_else(|| nothing_made(&file, &io::ErrorKind::NotFound.into()))?;
        let key = KeyPair::new_user();
        let (body, now) = (token::user(account.trim(), user), stamp(time));
        let until = user.until.millis() / 1_000;
        let stamp = token::Stamp { exp: Some(until), ..now };
        let named = (&signer, &*key.public_key());
        let token =
            token::signed(named, user.name, body, stamp).map_err(|error| unsigned(&error))?;
        Ok(token::credentials(&token, &key.seed().map_err(|error| unsigned(&error))?))
    }

    fn by_operator(
        &self,
        id: String,
        name: &str,
        body: token::Body,
        time: &System,
    ) -> Result<Signed, Trouble> {
        let operator = self.key(OPERATOR, KeyPairType::Operator)?;
        let signed = token::signed((&operator, &id), name, body, stamp(time));
        Ok(Signed { token: signed.map_err(|error| unsigned(&error))?, id })
    }

    fn system_id(&self) -> Result<String, Trouble> {
        Ok(self.key("system.nk", KeyPairType::Account)?.public_key())
    }

    /// The one of that name, made where there is none.
    fn key(&self, name: &str, kind: KeyPairType) -> Result<KeyPair, Trouble> {
        let file = self.0.join(name);
        if let Some(key) = read(&file, &kind)? {
            return Ok(key);
        }
        let key = KeyPair::new(kind);
        put(&file, &key.seed().map_err(|error| unsigned(&error))?, FOR_ME)?;
        Ok(key)
    }
}

const OPERATOR: &str = "operator.nk";
/// Of an account: what is no secret.
const PUBLIC: &str = "account.pub";

fn in_fleet(fleet: &str, name: &str) -> String {
    match name {
        PUBLIC => format!("{fleet}/{name}"),
        name => format!("{fleet}/{name}.nk"),
    }
}

fn stamp(time: &System) -> token::Stamp {
    token::Stamp { jti: mint(time as &dyn Ids), iat: time.now().millis() / 1_000, exp: None }
}

fn read(file: &Path, kind: &KeyPairType) -> Result<Option<KeyPair>, Trouble> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unwritten(file, &error)),
    };
    let odd = || Trouble::failed(format!("there is no key of that kind in {}", file.display()));
    let key = KeyPair::from_seed(text.trim()).map_err(|_| odd())?;
    if key.key_pair_type() == *kind { Ok(Some(key)) } else { Err(odd()) }
}

/// All of it or nothing, in folders that are made for it: whoever reads it meanwhile reads the file
/// as it was or as it is to be.
pub(super) fn put(file: &Path, text: &str, mode: u32) -> Result<(), Trouble> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let written = || -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut beside = NamedTempFile::new_in(folder)?;
        beside.write_all(text.as_bytes())?;
        beside.write_all(b"\n")?;
        beside.as_file().set_permissions(Permissions::from_mode(mode))?;
        beside.as_file().sync_all()?;
        beside.persist(file)?;
        Ok(())
    };
    written().map_err(|error| unwritten(file, &error))
}

fn nothing_made(file: &Path, error: &io::Error) -> Trouble {
    Trouble::usage(format!("{} cannot be read", file.display()))
        .caused_by(error)
        .next("gigamesh nats config --out DIR first, and then --keys DIR")
}

fn unsigned(error: &nkeys::error::Error) -> Trouble {
    Trouble::defect(error)
}
