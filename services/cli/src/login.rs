//! Coming in, going out, and who one is. What is kept of it lies in one file that only its owner can
//! read, and is shown to the one fleet that it came from.

use client::{CallError, OverHttp};
use protocol::{Code, Secret, SignIn};
use serde_json::{Value, json};

use crate::args;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::settings::Login;
use crate::shape;
use crate::trouble::Trouble;

/// How much of a token tells it from others.
const HINT: usize = 8;
/// How a session's token begins, which a coordinator can be told to end.
const SESSION: &str = "gs_";

pub(crate) async fn login(desk: &mut Desk, wanted: args::Login) -> Result<Exit, Trouble> {
    let path = desk.settings.login_path.clone().ok_or_else(|| {
        Trouble::usage("there is no place to keep a login in")
            .because("neither XDG_CONFIG_HOME nor HOME is set")
    })?;
    let url = desk.settings.url.trim_end_matches('/').to_owned();
    let (token, item) = match wanted.email {
        Some(email) => sign_in(desk, &url, email).await?,
        None => with_token(desk, &url).await?,
    };
    let kept = Login { url: url.clone(), token: token.reveal().to_owned() };
    kept.write(&path).map_err(|why| {
        Trouble::new(Exit::Error, format!("the login cannot be kept in {}", path.display()))
            .because(why.to_string())
    })?;
    let now = desk.now();
    desk.printer.one(&shape::USER, &item, now)?;
    desk.printer.talk(&format!("signed in at {url}; kept in {}", path.display()));
    Ok(Exit::Done)
}

/// Ends the session at its own fleet, and forgets it in any case.
pub(crate) async fn logout(desk: &mut Desk) -> Result<Exit, Trouble> {
    let path = desk.settings.login_path.clone();
    let kept = path.as_deref().and_then(Login::read);
    if let Some(path) = &path {
        Login::forget(path)?;
    }
    let Some(kept) = kept else {
        desk.printer.talk("nobody was signed in");
        return Ok(Exit::Done);
    };
    if kept.token.starts_with(SESSION) {
        let link = door(&kept.url, &kept.token)?;
        match link.sign_out(desk.patience()).await {
            Ok(()) => {}
            Err(CallError::Refused(problem)) if problem.code == Code::Unauthenticated => {}
            Err(error) => return Err(desk.refused(error)),
        }
    }
    desk.printer.talk(&format!("signed out of {}", kept.url));
    Ok(Exit::Done)
}

pub(crate) async fn whoami(desk: &mut Desk) -> Result<Exit, Trouble> {
    let Some(token) = desk.settings.token.clone() else {
        return Err(Trouble::new(Exit::NotAllowed, "nobody is signed in")
            .next("gigamesh login EMAIL, or name a token with --token-file"));
    };
    let mut item = profile(&desk.link, desk, &token.value).await?;
    item["origin"] = json!(token.origin);
    let now = desk.now();
    desk.printer.one(&shape::USER, &item, now)?;
    Ok(Exit::Done)
}

async fn sign_in(desk: &mut Desk, url: &str, email: String) -> Result<(Secret, Value), Trouble> {
    let password = desk.printer.secret(&format!("password of {email}: "))?;
    let asked = SignIn { email, password: Secret::new(password) };
    // Without what was kept before, which may be over by now.
    let said = door(url, "")?.sign_in(&asked, desk.patience()).await;
    let signed_in = said.map_err(|error| match error {
        CallError::Refused(problem) if problem.code == Code::Unauthenticated => {
            Trouble::new(Exit::NotAllowed, "the address or the password is not right")
                .next("try again, or ask for a code to set another password")
        }
        error @ (CallError::Refused(_) | CallError::Bus(_) | CallError::Garbled(_)) => {
            desk.refused(error)
        }
    })?;
    let Some(token) = signed_in.token else {
        return Err(Trouble::new(Exit::Unknown, "the fleet answered without a token"));
    };
    Ok((token, json!(signed_in.user)))
}

async fn with_token(desk: &mut Desk, url: &str) -> Result<(Secret, Value), Trouble> {
    let token = desk.printer.secret("token: ")?;
    let token = Secret::new(token.trim());
    let link = door(url, token.reveal())?;
    let item = profile(&link, desk, token.reveal()).await?;
    Ok((token, item))
}

/// Who the fleet says that this is; of a token that is no user's, how it begins.
async fn profile(link: &OverHttp, desk: &Desk, token: &str) -> Result<Value, Trouble> {
    match link.profile(desk.patience()).await {
        Ok(user) => Ok(json!(user)),
        Err(CallError::Refused(problem)) if problem.code == Code::NotFound => {
            Ok(json!({ "hint": token.chars().take(HINT).collect::<String>() }))
        }
        Err(error) => Err(desk.refused(error)),
    }
}

fn door(url: &str, token: &str) -> Result<OverHttp, Trouble> {
    OverHttp::new(url, token).map_err(|why| {
        Trouble::usage("the address or the token cannot be used").because(why.to_string())
    })
}
