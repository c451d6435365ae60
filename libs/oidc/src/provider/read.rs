//! Settings into providers: one look at each key, every fault noted, nothing guessed.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use reqwest::Url;
use serde_json::{Map, Value};

use super::{Client, Fault, Faults, Provider};
use crate::algorithm::Algorithm;
use crate::fetch;
use crate::json;

const MOST_PROVIDERS: usize = 16;
const MAX_NAME: usize = 32;
/// Of an address, a claim or an audience.
const MAX_TEXT: usize = 1_024;
const PRODUCT_CLAIM: &str = "fleet_products";
const ROLE_CLAIM: &str = "fleet_role";
const KNOWN: [&str; 9] = [
    "name",
    "issuer",
    "client_id",
    "client_secret_file",
    "redirect",
    "audience",
    "algorithms",
    "product_claim",
    "role_claim",
];

pub(super) fn providers(mut document: Map<String, Value>) -> Result<Vec<Provider>, Faults> {
    let mut faults = Vec::new();
    let listed = document.remove("provider");
    for key in document.keys() {
        faults.push(fault(key, "unknown key; a provider is a table [[provider]]"));
    }
    let listed = match listed {
        Some(Value::Array(listed)) => listed,
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))
        | Some(Value::Object(_)) => {
            faults.push(fault("provider", "must be a list of tables"));
            Vec::new()
        }
        None => Vec::new(),
    };
    if listed.len() > MOST_PROVIDERS {
        faults.push(fault("provider", &format!("at most {MOST_PROVIDERS}")));
    }
    let mut read = Vec::new();
    for (at, entry) in listed.into_iter().take(MOST_PROVIDERS).enumerate() {
        let mut table = Table { place: format!("provider[{at}]"), entry, faults: &mut faults };
        read.extend(table.provider());
    }
    faults.extend(twice(&read, "name", Provider::name));
    faults.extend(twice(&read, "issuer", Provider::issuer));
    if faults.is_empty() { Ok(read) } else { Err(Faults(faults)) }
}

/// One table of the list, and where its faults go.
struct Table<'a> {
    place: String,
    entry: Value,
    faults: &'a mut Vec<Fault>,
}

impl Table<'_> {
    /// Looks at every key, also where an earlier one was wrong.
    fn provider(&mut self) -> Option<Provider> {
        self.strangers()?;
        let name = self.required("name", is_name, "1 to 32 of a-z, 0-9 and -");
        let issuer = self.required("issuer", is_issuer, AN_ISSUER);
        let client = self.client();
        let audience = self.list("audience", is_word, "texts of 1 to 1024 letters");
        let algorithms = self.algorithms();
        let product_claim = self.text("product_claim", is_word, "the name of a claim");
        let role_claim = self.text("role_claim", is_word, "the name of a claim");
        let client = client?;
        let audience = match audience? {
            named if named.is_empty() => BTreeSet::from([client.id.to_string()]),
            named => named,
        };
        Some(Provider {
            name: name?,
            issuer: issuer?,
            audience,
            algorithms: algorithms?,
            product_claim: product_claim?.unwrap_or_else(|| PRODUCT_CLAIM.into()),
            role_claim: role_claim?.unwrap_or_else(|| ROLE_CLAIM.into()),
            client,
        })
    }

    fn client(&mut self) -> Option<Client> {
        let id = self.required("client_id", is_word, "a text of 1 to 1024 letters");
        let secret = self.text("client_secret_file", is_word, "the path of a file");
        let redirect = self.text("redirect", is_redirect, A_REDIRECT);
        let secret = secret.and_then(|path| match path {
            Some(path) => self.readable(path.as_ref().into()).map(Some),
            None => Some(None),
        });
        Some(Client { id: id?, secret: secret?, redirect: redirect? })
    }

    fn algorithms(&mut self) -> Option<BTreeSet<Algorithm>> {
        let known = |name: &str| Algorithm::named(name).is_some();
        let named = self.list("algorithms", known, "only RS256, ES256 and EdDSA are believed")?;
        let named: BTreeSet<_> = named.iter().filter_map(|name| Algorithm::named(name)).collect();
        if named.is_empty() { Some(Algorithm::ALL.into()) } else { Some(named) }
    }

    /// Found now, when somebody looks, and not at the first login.
    fn readable(&mut self, path: PathBuf) -> Option<PathBuf> {
        match fs::File::open(&path) {
            Ok(_) => Some(path),
            Err(why) => {
                self.note(
                    "client_secret_file",
                    &format!("{} cannot be read: {why}", path.display()),
                );
                None
            }
        }
    }

    fn strangers(&mut self) -> Option<()> {
        let Value::Object(table) = &self.entry else {
            self.faults.push(fault(&self.place, "must be a table"));
            return None;
        };
        for key in table.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
            let place = format!("{}.{key}", self.place);
            let secret = "secrets do not stand in settings; name a file: client_secret_file";
            let unknown = format!("unknown key; there are {}", KNOWN.join(", "));
            let message = if key == "client_secret" { secret } else { &unknown };
            self.faults.push(fault(&place, message));
        }
        Some(())
    }

    fn required(&mut self, key: &str, fits: fn(&str) -> bool, what: &str) -> Option<Box<str>> {
        let text = self.text(key, fits, what)?;
        if text.is_none() {
            self.note(key, &format!("is missing: {what}"));
        }
        text
    }

    /// Nothing where it is wrong, and nothing inside where it is absent.
    fn text(&mut self, key: &str, fits: fn(&str) -> bool, what: &str) -> Option<Option<Box<str>>> {
        match self.entry.get(key).map(Value::as_str) {
            None => return Some(None),
            Some(Some(text)) if fits(text) => return Some(Some(text.into())),
            Some(_) => self.note(key, what),
        }
        None
    }

    /// A text counts as a list of one.
    fn list(&mut self, key: &str, fits: fn(&str) -> bool, what: &str) -> Option<BTreeSet<String>> {
        let Some(value) = self.entry.get(key) else { return Some(BTreeSet::new()) };
        let texts = value.as_str().map(|one| vec![one]).or_else(|| json::texts(value));
        let texts = texts.filter(|texts| !texts.is_empty() && texts.iter().all(|text| fits(text)));
        let found = texts.map(|texts| texts.into_iter().map(str::to_owned).collect());
        if found.is_none() {
            self.note(key, what);
        }
        found
    }

    fn note(&mut self, key: &str, message: &str) {
        self.faults.push(fault(&format!("{}.{key}", self.place), message));
    }
}

const AN_ISSUER: &str = "an https address without query or fragment (http only on loopback)";
const A_REDIRECT: &str = "the https address, without query or fragment, that people come back to \
    (http only on loopback)";

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(letter)
}

fn is_word(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn is_issuer(text: &str) -> bool {
    plain(text).is_some()
}

/// With a path of its own: what comes back must not land on a page.
fn is_redirect(text: &str) -> bool {
    plain(text).is_some_and(|url| url.path() != "/")
}

fn plain(text: &str) -> Option<Url> {
    let url = fetch::address(text).filter(|_| is_word(text))?;
    (url.query().is_none() && url.fragment().is_none()).then_some(url)
}

/// One issuer is one provider: a token must lead to one set of rules.
fn twice(read: &[Provider], key: &str, of: fn(&Provider) -> &str) -> Vec<Fault> {
    let mut seen = BTreeSet::new();
    let again = read.iter().filter(|provider| !seen.insert(of(provider)));
    let place = |provider: &Provider| format!("provider {:?}.{key}", provider.name());
    again.map(|provider| fault(&place(provider), "another provider has the same")).collect()
}

fn fault(field: &str, message: &str) -> Fault {
    Fault { field: field.to_owned(), message: message.to_owned() }
}
