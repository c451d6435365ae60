//! What needs no fleet: settings explained, and the address of the page.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::args::Common;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::settings::{KEYS, Settings};
use crate::shape;
use crate::trouble::Trouble;

const MASK: &str = "(hidden)";

/// Every setting, or the one of this name, with its value and origin.
pub(crate) fn explain(
    printer: &mut Printer,
    settings: &Settings,
    key: Option<&str>,
) -> Result<Exit, Trouble> {
    let row = |key: &str| -> Value {
        match settings.found.get(key) {
            Some(found) => {
                let value = if key == "token" { MASK } else { &found.value };
                json!({ "key": key, "value": value, "origin": found.origin })
            }
            None => json!({ "key": key, "value": null, "origin": "unset" }),
        }
    };
    match key {
        Some(key) if KEYS.contains(&key) => {
            printer.one(&shape::SETTING, &row(key), fleet::Timestamp::EPOCH)?;
        }
        Some(key) => {
            return Err(Trouble::usage(format!("there is no setting {key:?}"))
                .because(format!("known settings: {}", KEYS.join(" ")))
                .next("gigamesh config explain"));
        }
        None => {
            let rows: Vec<Value> = KEYS.into_iter().map(row).collect();
            printer.list(&shape::SETTING, &rows, fleet::Timestamp::EPOCH)?;
        }
    }
    Ok(Exit::Done)
}

/// The page's address with the token behind it, where no server sees it.
pub(crate) async fn open(desk: &mut Desk, job: Option<&str>) -> Result<Exit, Trouble> {
    let mut address = format!("{}/", desk.settings.url.trim_end_matches('/'));
    let mut parts = Vec::new();
    if let Some(token) = &desk.settings.token {
        parts.push(format!("token={}", token.value));
    }
    if let Some(named) = job {
        parts.push(format!("job={}", crate::desk::id_of(&desk.job(named).await?)?));
    }
    if !parts.is_empty() {
        address.push_str(&format!("#{}", parts.join("&")));
    }
    desk.printer.text(&address)?;
    if desk.printer.terminal.out.is_terminal && !browsed(&address) {
        desk.printer.talk("open this address in a browser");
    }
    Ok(Exit::Done)
}

/// Whether something that opens pages took it.
fn browsed(address: &str) -> bool {
    ["xdg-open", "open"].into_iter().any(|opener| {
        let mut command = Command::new(opener);
        command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

/// Whether colours are wanted; `NO_COLOR` counts unless it is empty.
pub(crate) fn colours(
    common: &Common,
    environment: &std::collections::BTreeMap<String, String>,
) -> bool {
    let refused = environment.get("NO_COLOR").is_some_and(|said| !said.is_empty());
    !(common.no_color || refused)
}
