//! Verbs about people: who may do what in the product, how somebody becomes a user, and the trail of
//! what was done.

use std::path::Path;

use protocol::{AskReset, Bind, OnceCode, Secret, SignUp};
use serde_json::{Value, json};

use crate::args::{Audit, Bound, Join, Told, Users, UsersVerb};
use crate::credentials::{Ready, changed};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::shape;
use crate::trouble::Trouble;

pub(crate) async fn users(desk: &mut Desk, wanted: Users, folder: &Path) -> Result<Exit, Trouble> {
    match wanted.verb {
        None | Some(UsersVerb::List) => list(desk).await,
        Some(UsersVerb::Bind(Bound { user, role, yolo })) => {
            bind(desk, &user, Bind { role: Some(role), yolo }).await
        }
        Some(UsersVerb::Unbind { user }) => bind(desk, &user, Bind::default()).await,
        Some(UsersVerb::Invite { told }) => {
            let ready = Ready::of(&told, folder)?;
            let patience = desk.patience();
            let code = changed(desk, patience, desk.link.invite(patience).await)?;
            tell(desk, ready, &code)
        }
        Some(UsersVerb::Reset { email, told }) => reset(desk, email, (&told, folder)).await,
    }
}

/// Becomes a user, who may do nothing until an admin says what.
pub(crate) async fn join(desk: &mut Desk, wanted: Join, folder: &Path) -> Result<Exit, Trouble> {
    let invite = wanted.invite_file.map(|file| read(&folder.join(file))).transpose()?;
    let password = desk.printer.secret(&format!("a new password for {}: ", wanted.email))?;
    let password = Secret::new(password);
    let asked = SignUp { email: wanted.email, password, name: wanted.name, invite };
    let patience = desk.patience();
    let user = changed(desk, patience, desk.link.sign_up(&asked, patience).await)?;
    let now = desk.now();
    desk.printer.one(&shape::USER, &json!(user), now)?;
    desk.printer.talk("an admin of a product says what you may do there");
    Ok(Exit::Done)
}

pub(crate) async fn audit(desk: &mut Desk, wanted: &Audit) -> Result<Exit, Trouble> {
    let lines = desk.link.audit(wanted.limit.into(), desk.patience()).await;
    let lines = lines.map_err(|error| desk.refused(error))?;
    let shown = lines.iter().map(|line| {
        let mut shown = json!(line);
        shown["by"] = json!(line.actor.to_string());
        shown
    });
    let shown: Vec<Value> = shown.collect();
    let now = desk.now();
    desk.printer.list(&shape::AUDIT, &shown, now)?;
    Ok(Exit::Done)
}

async fn list(desk: &mut Desk) -> Result<Exit, Trouble> {
    let users = desk.link.users(desk.patience()).await;
    let users = users.map_err(|error| desk.refused(error))?;
    let shown: Vec<Value> = users.iter().map(|user| json!(user)).collect();
    let now = desk.now();
    desk.printer.list(&shape::USER, &shown, now)?;
    Ok(Exit::Done)
}

async fn bind(desk: &mut Desk, user: &str, asked: Bind) -> Result<Exit, Trouble> {
    let patience = desk.patience();
    let bound = changed(desk, patience, desk.link.bind(user, &asked, patience).await);
    let bound = bound.map_err(|no| no.naming("user", user, "gigamesh sign-up EMAIL"))?;
    let now = desk.now();
    desk.printer.one(&shape::USER, &json!(bound), now)?;
    Ok(Exit::Done)
}

async fn reset(
    desk: &mut Desk,
    email: String,
    (told, folder): (&Told, &Path),
) -> Result<Exit, Trouble> {
    let ready = Ready::of(told, folder)?;
    let patience = desk.patience();
    let code = desk.link.reset_code(&AskReset { email }, patience).await;
    let code = changed(desk, patience, code)?;
    tell(desk, ready, &code)
}

fn tell(desk: &mut Desk, ready: Ready, code: &OnceCode) -> Result<Exit, Trouble> {
    ready.tell(desk, &shape::CODE, json!({ "expiresAt": code.expires_at }), &code.code)
}

fn read(file: &Path) -> Result<Secret, Trouble> {
    let text = std::fs::read_to_string(file).map_err(|why| {
        Trouble::usage(format!("the invitation in {} cannot be read", file.display()))
            .because(why.to_string())
    })?;
    Ok(Secret::new(text.trim()))
}
