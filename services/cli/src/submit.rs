//! Handing jobs in: each file by itself, in any order, and the worst outcome told. What a file says
//! is changed only where a flag says so.

mod edit;

use std::fs;
use std::io::Read as _;
use std::path::Path;

use fleet::sha256_hex;
use protocol::{PlanJob, SubmitJob};
use serde_json::{Map, Value, json};

use crate::args::Submit;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::shape;
use crate::stay;
use crate::trouble::{Passage, Trouble};

/// Of a content's digest, what makes a key: enough that no two contents share one.
const DIGITS: usize = 32;

/// A submission as it will be sent.
#[derive(Debug)]
struct Sheet {
    name: String,
    text: String,
    /// Of a JSON submission.
    keys: Option<Map<String, Value>>,
    /// It names its job, so that it can be said again without making another.
    keyed: bool,
}

pub(crate) async fn submit(
    desk: &mut Desk,
    wanted: &Submit,
    folder: &Path,
) -> Result<Exit, Trouble> {
    let several = wanted.files.len() > 1;
    if several && (wanted.key.is_some() || wanted.expect.is_some()) {
        let what = "--key and --expect are of one job, and several files are named";
        return Err(Trouble::usage(what).next("hand them in one by one"));
    }
    let (mut taken, mut worst) = (Vec::new(), Exit::Done);
    for (at, file) in wanted.files.iter().enumerate() {
        if several {
            let count = wanted.files.len();
            desk.printer.progress(&format!("{} of {count}: {file}", at + 1));
        }
        match each(desk, wanted, folder, file).await {
            Ok((receipt, exit)) => {
                worst = worst.worse(exit);
                taken.push(receipt);
            }
            Err(trouble) => {
                desk.printer.trouble(&trouble);
                worst = worst.worse(trouble.exit);
            }
        }
    }
    desk.printer.settle();
    if !wanted.plan && (wanted.stay.wait || wanted.stay.follow) {
        worst = worst.worse(stay::until_ended(desk, &mut taken, wanted.stay).await?);
    }
    show(desk, wanted, &taken, several)?;
    Ok(worst)
}

fn show(desk: &mut Desk, wanted: &Submit, taken: &[Value], several: bool) -> Result<(), Trouble> {
    // The events were the data.
    if wanted.stay.follow {
        return Ok(());
    }
    let shape = if wanted.plan { &shape::PLAN } else { &shape::RECEIPT };
    let now = desk.now();
    match taken {
        [] => Ok(()),
        [one] if !several => desk.printer.one(shape, one, now),
        many => desk.printer.list(shape, many, now),
    }
}

async fn each(
    desk: &mut Desk,
    wanted: &Submit,
    folder: &Path,
    file: &str,
) -> Result<(Value, Exit), Trouble> {
    let sheet = sheet(desk, wanted, folder, file)?;
    let about = |trouble: Trouble| trouble.about(Passage { name: &sheet.name, text: &sheet.text });
    let as_file = sheet.keys.is_none().then(|| sheet.text.clone());
    if wanted.plan {
        let ask = PlanJob { file: as_file, submission: sheet.keys.clone(), yolo: false };
        let plan = desk.ask(&ask).await.map_err(about)?;
        return Ok(planned(desk, &sheet.name, &json!(plan)));
    }
    let expect = wanted.expect.clone();
    let ask = SubmitJob { file: as_file, submission: sheet.keys.clone(), expect, yolo: false };
    // Without a key each saying is a job of its own.
    let receipt = if sheet.keyed { desk.order(&ask).await } else { desk.say_once(&ask).await };
    let receipt = receipt.map_err(about)?;
    for warning in &receipt.warnings {
        desk.printer.talk(&format!("{}: {warning}", sheet.name));
    }
    let mut receipt = json!(receipt);
    receipt["file"] = json!(sheet.name);
    Ok((receipt, Exit::Done))
}

/// What would come of it, and whether it could be run.
fn planned(desk: &mut Desk, name: &str, plan: &Value) -> (Value, Exit) {
    let mut plan = plan.clone();
    let said = |path: &str| shape::text(shape::at(&plan, path));
    let factories = plan["factories"].as_array().cloned().unwrap_or_default();
    let fits = |factory: &&Value| factory["fits"] == json!(true);
    let fitting: Vec<Value> =
        factories.iter().filter(fits).map(|factory| factory["factoryId"].clone()).collect();
    let exit = if said("outcome") == "conflict" {
        desk.printer.talk(&format!("{name}: the key names another content already"));
        Exit::Conflict
    } else if plan["cycle"].as_array().is_some_and(|cycle| !cycle.is_empty()) {
        desk.printer.talk(&format!("{name}: its dependencies would form a cycle"));
        Exit::Error
    } else if fitting.is_empty() {
        desk.printer.talk(&format!("{name}: no factory fits"));
        for factory in &factories {
            let of = |path: &str| shape::text(shape::at(factory, path));
            desk.printer.talk(&format!("  {}: {}", of("factoryId"), of("detail")));
        }
        Exit::NothingCanRunIt
    } else {
        Exit::Done
    };
    plan["fitting"] = json!(fitting);
    plan["file"] = json!(name);
    (plan, exit)
}

fn sheet(desk: &mut Desk, wanted: &Submit, folder: &Path, file: &str) -> Result<Sheet, Trouble> {
    let text = text_of(desk, folder, file)?;
    let name = if file == "-" { "standard input" } else { file }.to_owned();
    if text.trim().is_empty() && wanted.set.is_empty() {
        return Err(Trouble::new(Exit::Error, format!("{name} is empty"))
            .because("a job needs instructions or a command, and is not made of nothing")
            .next(
                "write what is to be done, below front matter that names an engine or a command",
            ));
    }
    if Path::new(file).extension().is_some_and(|ending| ending == "json") {
        let mut keys: Map<String, Value> = serde_json::from_str(&text).map_err(|why| {
            Trouble::new(Exit::Error, format!("{name} is no submission")).because(why.to_string())
        })?;
        for (key, value) in &wanted.set {
            keys.insert(key.clone(), serde_json::from_str(value).unwrap_or_else(|_| json!(value)));
        }
        if let Some(key) = key_of(wanted, &Value::from(keys.clone()).to_string()) {
            keys.insert("idempotencyKey".to_owned(), json!(key));
        }
        let keyed = edit::KEY_NAMES.iter().any(|named| keys.contains_key(*named));
        return Ok(Sheet { name, text, keys: Some(keys), keyed });
    }
    let mut text = text;
    for (key, value) in &wanted.set {
        text = edit::set(&text, key, value);
    }
    if let Some(key) = key_of(wanted, &text) {
        // JSON's quotes are YAML's too.
        text = edit::set(&text, "idempotencyKey", &json!(key).to_string());
    }
    let keyed = edit::KEY_NAMES.iter().any(|named| edit::has(&text, named));
    Ok(Sheet { name, text, keys: None, keyed })
}

fn key_of(wanted: &Submit, content: &str) -> Option<String> {
    if let Some(key) = &wanted.key {
        return Some(key.to_string());
    }
    let digest = wanted.once.then(|| sha256_hex(content.as_bytes()))?;
    Some(format!("once-{}", digest.get(..DIGITS).unwrap_or(&digest)))
}

/// What a file says; - is standard input.
pub(crate) fn text_of(desk: &mut Desk, folder: &Path, file: &str) -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    if file == "-" {
        desk.printer.terminal.input.reader.read_to_end(&mut bytes)?;
    } else {
        bytes = fs::read(folder.join(file)).map_err(|why| {
            Trouble::usage(format!("{file} cannot be read")).because(why.to_string())
        })?;
    }
    String::from_utf8(bytes).map_err(|why| {
        let before = why.as_bytes().iter().take(why.utf8_error().valid_up_to());
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        Trouble::new(Exit::Error, format!("{file}:{line}: not UTF-8 from this line on"))
            .next("save it as UTF-8")
    })
}
