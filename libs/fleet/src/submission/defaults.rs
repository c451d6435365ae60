//! What holds where a submission says nothing: first its profile, then its product, then the
//! fleet.

use serde_json::{Map, Value as Json};

use super::{ProfileTerms, Terms, fold_locks};
use crate::manifest::{
    Entries, Fault, Faults, Fields, MAX_CAPABILITIES, Place, Reason, Spot, read_object, sorted_set,
};

/// The four keys that say what runs. A product's defaults for them hold only for a submission that
/// names none of them: else its `engine` would win over the `profile` somebody wrote.
const WHAT_RUNS: [&str; 4] = ["engine", "engineClass", "profile", "command"];

const SHELL: &str = "shell";

/// A product's defaults in their normal form.
pub(super) fn read(defaults: &Map<String, Json>, faults: &mut Faults) -> Map<String, Json> {
    let entries = Entries::of(defaults);
    let mut fields = read_object(&entries, &Spot::new("defaults", None), Place::Defaults, faults);
    fold_locks(&mut fields, faults);
    fields.values
}

/// Fills in what the submission leaves open. `runs`: whether an engine will ever start for it.
pub(super) fn settle(
    fields: &mut Fields<'_>,
    terms: &Terms,
    defaults: &Map<String, Json>,
    runs: bool,
    faults: &mut Faults,
) {
    fold_locks(fields, faults);
    if !WHAT_RUNS.iter().any(|key| fields.names(key)) {
        fill(fields, defaults, |key| WHAT_RUNS.contains(&key));
    }
    let profile = match named_profile(fields, terms) {
        Ok(profile) => profile,
        Err(fault) => return faults.push(fault),
    };
    if let Some(profile) = profile {
        take_from_profile(fields, profile, faults);
    }
    fill(fields, defaults, |key| !WHAT_RUNS.contains(&key));
    fill_from_fleet(fields);
    choose_engine(fields, terms, profile, runs, faults);
}

fn named_profile<'a>(
    fields: &Fields<'_>,
    terms: &'a Terms,
) -> Result<Option<&'a ProfileTerms>, Fault> {
    let Some(name) = fields.text("profile") else { return Ok(None) };
    terms.profiles.get(name).map(Some).ok_or_else(|| {
        let message = format!("there is no profile {name:?} in this product");
        let fault = fields.spot("profile").fault(Reason::UnknownProfile, message);
        fault.hint("list the profiles and their versions, or leave it out")
    })
}

fn fill(fields: &mut Fields<'_>, from: &Map<String, Json>, wanted: impl Fn(&str) -> bool) {
    for (key, value) in from {
        if wanted(key) && !fields.has(key) {
            fields.values.insert(key.clone(), value.clone());
        }
    }
}

fn take_from_profile(fields: &mut Fields<'_>, profile: &ProfileTerms, faults: &mut Faults) {
    if let (Some(seconds), false) = (profile.timeout_sec, fields.has("timeout")) {
        fields.values.insert("timeout".into(), format!("{seconds}s").into());
    }
    if let (Some(Ok(verify)), false) =
        (profile.verify.as_ref().map(serde_json::to_value), fields.has("verify"))
    {
        fields.values.insert("verify".into(), verify);
    }
    if profile.capabilities.is_empty() {
        return;
    }
    let mut tokens: Vec<Json> =
        profile.capabilities.iter().map(|token| token.to_string().into()).collect();
    if let Some(Json::Array(own)) = fields.values.remove("capabilities") {
        tokens.extend(own);
    }
    let tokens = sorted_set(tokens);
    if tokens.len() > MAX_CAPABILITIES {
        let message = format!(
            "{} capabilities with the profile's; {MAX_CAPABILITIES} is the most",
            tokens.len()
        );
        faults.push(fields.spot("capabilities").fault(Reason::TooMany, message));
    }
    fields.values.insert("capabilities".into(), Json::Array(tokens));
}

fn fill_from_fleet(fields: &mut Fields<'_>) {
    let words = [
        ("priority", "medium"),
        ("depsMode", "hard"),
        ("onDepFailure", "wait"),
        ("reviewPolicy", "auto"),
        ("timeout", "14400s"),
    ];
    for (key, word) in words {
        fields.values.entry(key).or_insert_with(|| word.into());
    }
    for key in ["prefersEngine", "capabilities", "deps", "locks", "allowedScope", "artifacts"] {
        fields.values.entry(key).or_insert_with(|| Json::Array(Vec::new()));
    }
    fields.values.entry("yolo").or_insert_with(|| false.into());
}

fn choose_engine(
    fields: &mut Fields<'_>,
    terms: &Terms,
    profile: Option<&ProfileTerms>,
    runs: bool,
    faults: &mut Faults,
) {
    if fields.has("engine") {
        // The engine wins, so the class says nothing and is no part of the content.
        fields.values.remove("engineClass");
    } else if !fields.has("engineClass") {
        // A profile named without a version is resolved at claim, and its engine with it.
        let pinned = fields.text("profile").is_some_and(|name| name.contains('@'));
        let engine = match (profile, &terms.dev_engine) {
            (Some(profile), _) => pinned.then(|| profile.engine.to_string()),
            (None, _) if fields.has("command") => Some(SHELL.into()),
            (None, Some(engine)) => Some(engine.to_string()),
            (None, None) => None,
        };
        let named = WHAT_RUNS.iter().any(|key| fields.names(key));
        if engine.is_none() && !named && runs {
            let fault = fields.spot("engine").fault(Reason::Missing, "nothing says what runs this");
            faults.push(fault.hint("write engine, engineClass, profile or command"));
        }
        if let Some(engine) = engine {
            fields.values.insert("engine".into(), engine.into());
        }
    }
    check_command(fields, profile, faults);
}

fn check_command(fields: &Fields<'_>, profile: Option<&ProfileTerms>, faults: &mut Faults) {
    let takes_one = match (fields.text("engine"), fields.text("engineClass")) {
        (Some(engine), _) => engine == SHELL,
        (None, Some(class)) => class == "command",
        (None, None) => false,
    };
    let profile_takes_one =
        profile.is_some_and(|profile| profile.takes_command || profile.engine.as_str() == SHELL);
    if fields.has("command") && !takes_one && !profile_takes_one {
        let message = "command is only for engine shell or a profile that takes a command";
        let fault = fields.spot("command").fault(Reason::Disagrees, message);
        faults.push(fault.hint("leave out command, or write engine: shell"));
    }
}
