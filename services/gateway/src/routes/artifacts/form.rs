//! An artifact as a form brings it: its fields first, its file last, read as it comes and never held
//! whole. Bounded in parts, in the length of a field, and in what may stand between them.

use axum::body::Body;
use fleet::{ArtifactKind, Epoch, FactoryId, JobId, Nonce};
use futures_util::TryStreamExt;
use multer::{Constraints, Field, Multipart, SizeLimit};
use protocol::{BeginArtifact, Code, Linked};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::begun;
use super::bring;
use crate::flowing::{Allowance, Inflow};
use crate::heard::Heard;
use crate::problem::Refusal;

const MOST_PARTS: usize = 32;
const LONGEST_FIELD: u64 = 4 << 10;
/// What may come before a part or behind the last: more than any head needs, and a frame.
const BETWEEN: u64 = 64 << 10;
/// More than all of a form that is not its file.
const ALL_BESIDES: u64 = 1 << 20;
const FILE: &str = "file";
/// What says in whose name a run speaks.
const HOLD: [&str; 3] = ["factoryId", "leaseEpoch", "claimNonce"];
const FIELDS: [&str; 9] = [
    "claimNonce",
    "contentType",
    "factoryId",
    "kind",
    "leaseEpoch",
    "name",
    "productId",
    "sha256",
    "sizeBytes",
];

/// The fields of the form, for its description.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct Form {
    kind: ArtifactKind,
    /// Else that of the file's part.
    content_type: Option<String>,
    /// Else the file's own.
    name: Option<String>,
    /// A run that uploads says all three as they were granted.
    factory_id: Option<FactoryId>,
    lease_epoch: Option<Epoch>,
    claim_nonce: Option<Nonce>,
    /// What is counted has to agree.
    size_bytes: Option<u64>,
    /// What is counted has to agree.
    sha256: Option<String>,
    /// The last part.
    #[schemars(extend("format" = "binary"))]
    file: String,
}

pub(super) async fn taken_in(
    (heard, job, quarantine): (&Heard, JobId, bool),
    body: Body,
    boundary: String,
) -> Result<Linked, Refusal> {
    let unread = heard.uncoded().and_then(|()| announced(heard));
    let mut inflow = Inflow::of(body);
    let taken = match unread {
        Ok(()) => read((heard, job, quarantine), &mut inflow, boundary).await,
        Err(refusal) => Err(refusal),
    };
    let Err(refusal) = taken else { return taken };
    // Told once the job is known to be there, and so that its sender hears it.
    let refusal = heard.or_missing::<Linked>(job, Err(refusal)).await;
    inflow.throw_away().await;
    refusal
}

/// What is too long by its own word is not waited for.
fn announced(heard: &Heard) -> Result<(), Refusal> {
    let most = heard.door.largest;
    match heard.announced() {
        Some(length) if length > most.saturating_add(ALL_BESIDES) => {
            Err(heard.too_large(most, Some(length)))
        }
        Some(_) | None => Ok(()),
    }
}

async fn read(
    (heard, job, quarantine): (&Heard, JobId, bool),
    inflow: &mut Inflow,
    boundary: String,
) -> Result<Linked, Refusal> {
    let allowance = inflow.allowance();
    let limits = SizeLimit::new().per_field(LONGEST_FIELD).for_field(FILE, u64::MAX);
    let limits = Constraints::new().size_limit(limits);
    let mut form = Multipart::with_constraints(inflow, boundary, limits);
    let mut said = Map::new();
    for _ in 0..MOST_PARTS {
        let Some(field) = next(heard, &mut form, &allowance).await? else {
            let refusal = heard.refused(Code::Validation);
            return Err(refusal.at(FILE, "missing", "the form has no file"));
        };
        let name = field.name().unwrap_or_default().to_owned();
        if name != FILE {
            keep(heard, &mut said, &name, field).await?;
            continue;
        }
        let ask = beginning((heard, job, quarantine), said, &field)?;
        let begun = bring::begin(heard, ask).await?;
        let largest = heard.door.largest;
        allowance.set(u64::MAX);
        let counted = begun.write(heard, field.map_err(std::io::Error::other), largest).await?;
        // Only the end says that nothing was cut off.
        let end = next(heard, &mut form, &allowance).await;
        let refusal = match end {
            Ok(None) => return begun.keep(heard, counted).await,
            Ok(Some(_)) => {
                let refusal = heard.refused(Code::Validation);
                refusal.at(FILE, "not_last", "the file is the last part")
            }
            Err(refusal) => refusal,
        };
        begun.take_back(heard).await;
        return Err(refusal);
    }
    let refusal = heard.refused(Code::Validation);
    Err(refusal.at("", "too_many", format!("a form has at most {MOST_PARTS} parts")))
}

async fn next<'form>(
    heard: &Heard,
    form: &mut Multipart<'form>,
    allowance: &Allowance,
) -> Result<Option<Field<'form>>, Refusal> {
    allowance.set(BETWEEN);
    form.next_field().await.map_err(|error| broken(heard, &error))
}

async fn keep(
    heard: &Heard,
    said: &mut Map<String, Value>,
    name: &str,
    field: Field<'_>,
) -> Result<(), Refusal> {
    let refused =
        |reason: &str, message: String| heard.refused(Code::Validation).at(name, reason, message);
    if !FIELDS.contains(&name) {
        let hint = node::shape::nearest(name, &FIELDS);
        let hint = hint.unwrap_or_else(|| format!("known fields: {} {FILE}", FIELDS.join(" ")));
        return Err(refused("unknown_key", format!("unknown field {name:?}")).hint(hint));
    }
    let bytes = field.bytes().await.map_err(|error| {
        if matches!(error, multer::Error::FieldSizeExceeded { .. }) {
            return refused("too_long", format!("{name} is at most {LONGEST_FIELD} bytes"));
        }
        broken(heard, &error)
    })?;
    let text = String::from_utf8(bytes.into());
    let text = text.map_err(|_| refused("bad_value", format!("{name} is not UTF-8")))?;
    if said.insert(name.to_owned(), text.into()).is_some() {
        return Err(refused("duplicate", "it stands there twice".to_owned()));
    }
    Ok(())
}

/// The fields as the request that they mean.
fn beginning(
    (heard, job, quarantine): (&Heard, JobId, bool),
    mut said: Map<String, Value>,
    file: &Field<'_>,
) -> Result<BeginArtifact, Refusal> {
    heard.ours(&mut said)?;
    if !said.contains_key("kind") {
        let refusal = heard.refused(Code::Validation);
        let hint = "put kind and all other fields before the file";
        return Err(refusal.at("kind", "missing", "kind is missing before the file").hint(hint));
    }
    let hold: Map<String, Value> =
        HOLD.into_iter().filter_map(|name| Some((name.to_owned(), said.remove(name)?))).collect();
    if !hold.is_empty() {
        said.insert("hold".to_owned(), hold.into());
    }
    for path in ["/sizeBytes", "/hold/leaseEpoch"] {
        number(&mut said, path);
    }
    let content_type = file.content_type().map(|named| json!(named.essence_str()));
    let name = file.file_name().filter(|name| !name.is_empty()).map(|name| json!(name));
    for (field, of_file) in [("contentType", content_type), ("name", name)] {
        if let (Some(value), false) = (of_file, said.contains_key(field)) {
            said.insert(field.to_owned(), value);
        }
    }
    heard.completed_from(said, &begun(job, quarantine)).map_err(|mut refusal| {
        let flat = |field: &mut String| *field = field.trim_start_matches("hold.").to_owned();
        refusal.0.field.as_mut().map(flat);
        refusal.0.details.iter_mut().for_each(|detail| flat(&mut detail.field));
        refusal
    })
}

/// Forms know only texts; what is no number stays one, and is refused for that.
fn number(said: &mut Map<String, Value>, path: &str) {
    let names: Vec<&str> = path.split('/').skip(1).collect();
    let mut at = said.get_mut(names[0]);
    for name in names.iter().skip(1) {
        at = at.and_then(|value| value.get_mut(*name));
    }
    let Some(value) = at else { return };
    let digits = value.as_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(number) = digits.and_then(|digits| digits.parse::<u64>().ok()) {
        *value = number.into();
    }
}

fn broken(heard: &Heard, error: &multer::Error) -> Refusal {
    let message = format!("the form cannot be read: {error}");
    heard.refused(Code::Validation).at("", "malformed", message)
}
