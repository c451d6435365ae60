//! Settings, good and bad.

use std::collections::BTreeSet;

use super::{Fault, Provider};
use crate::algorithm::Algorithm;

const WHOLE: &str = r#"
[[provider]]
name = "corp"
issuer = "https://login.corp.example/realms/a"
client_id = "gigamesh"
redirect = "https://mesh.corp.example/auth/oidc/corp/callback"
audience = ["gigamesh", "mesh"]
algorithms = ["RS256", "EdDSA"]
product_claim = "products"
role_claim = "role"

[[provider]]
name = "other"
issuer = "http://127.0.0.1:4000"
client_id = "b"
"#;

fn faults(text: &str) -> Vec<String> {
    let faults = Provider::from_toml(text).unwrap_err().0;
    faults.into_iter().map(|Fault { field, .. }| field).collect()
}

fn of(settings: &str) -> String {
    format!("[[provider]]\n{settings}\n")
}

#[test]
fn settings_are_read_and_what_is_absent_is_as_usual() {
    let read = Provider::from_toml(WHOLE).unwrap();
    let [corp, other] = read.as_slice() else { panic!("there are two") };
    assert_eq!((corp.name(), corp.issuer()), ("corp", "https://login.corp.example/realms/a"));
    assert_eq!(corp.callback().as_deref(), Some("/auth/oidc/corp/callback"));
    assert_eq!(corp.audience, BTreeSet::from(["gigamesh".to_owned(), "mesh".to_owned()]));
    assert_eq!(corp.algorithms, BTreeSet::from([Algorithm::Rs256, Algorithm::EdDsa]));
    assert_eq!((&*corp.product_claim, &*corp.role_claim), ("products", "role"));
    assert_eq!(other.audience, BTreeSet::from(["b".to_owned()]), "its own name");
    assert_eq!(other.algorithms, BTreeSet::from(Algorithm::ALL));
    assert_eq!((&*other.product_claim, &*other.role_claim), ("fleet_products", "fleet_role"));
    assert_eq!((other.callback(), other.secret_file()), (None, None));
    assert_eq!(Provider::from_toml(""), Ok(Vec::new()));
}

#[test]
fn both_forms_say_the_same() {
    let json = r#"{"provider": [{"name": "b", "issuer": "https://b.example", "client_id": "c"}]}"#;
    let toml = of("name = \"b\"\nissuer = \"https://b.example\"\nclient_id = \"c\"");
    assert_eq!(Provider::from_json(json), Provider::from_toml(&toml));
    for bad in ["", "[]", r#"{"provider":[],"provider":[]}"#, "{"] {
        assert!(Provider::from_json(bad).is_err(), "{bad}");
    }
}

#[test]
fn every_fault_is_named_and_not_only_the_first() {
    assert_eq!(
        faults(&of("name = \"A b\"\nissuer = \"http://issuer.example\"\nclient_secret = \"x\"\n\
            algorithms = [\"HS256\"]\nredirect = \"/callback\"\nrole_claim = 7\ntypo = 1")),
        [
            "provider[0].client_secret",
            "provider[0].typo",
            "provider[0].name",
            "provider[0].issuer",
            "provider[0].client_id",
            "provider[0].redirect",
            "provider[0].algorithms",
            "provider[0].role_claim",
        ]
    );
    let told = Provider::from_toml(&of("client_secret = \"hunter2\"")).unwrap_err().to_string();
    assert!(told.contains("client_secret_file"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn each_setting_has_its_bounds() {
    let whole = |key: &str, value: &str| {
        let mut settings = vec![
            ("name", "\"corp\"".to_owned()),
            ("issuer", "\"https://corp.example\"".to_owned()),
            ("client_id", "\"a\"".to_owned()),
        ];
        settings.retain(|(name, _)| *name != key);
        settings.push((key, value.to_owned()));
        let lines: Vec<_> = settings.iter().map(|(name, it)| format!("{name} = {it}")).collect();
        of(&lines.join("\n"))
    };
    let long = format!("{:?}", "a".repeat(1_025));
    for (key, values) in [
        ("name", &["\"\"", "\"Corp\"", "\"a/b\"", "1", &long][..]),
        (
            "issuer",
            &[
                "\"\"",
                "\"corp.example\"",
                "\"http://corp.example\"",
                "\"https://corp.example?a=b\"",
                "\"https://corp.example#a\"",
                "\"https://user@corp.example\"",
                "\"https://corp.example/\\n\"",
                "[]",
            ],
        ),
        ("client_id", &["\"\"", "1", &long]),
        ("client_secret_file", &["\"\"", "\"/nowhere/secret\"", "1"]),
        (
            "redirect",
            &[
                "\"https://mesh.example\"",
                "\"https://mesh.example/\"",
                "\"http://mesh.example/cb\"",
                "\"https://mesh.example/cb?a=b\"",
                "\"https://mesh.example/cb#a\"",
                "\"/cb\"",
                "\"//evil.example/cb\"",
            ],
        ),
        ("audience", &["[]", "[\"\"]", "[1]", "\"\"", "1"]),
        ("algorithms", &["[]", "[\"none\"]", "[\"RS256\", \"HS256\"]", "\"rs256\"", "[\"PS256\"]"]),
        ("product_claim", &["\"\"", "[]"]),
        ("role_claim", &["\"\"", "{ a = 1 }"]),
    ] {
        for value in values {
            let expected = format!("provider[0].{key}");
            assert_eq!(faults(&whole(key, value)), [expected], "{key} = {value}");
        }
    }
}

#[test]
fn providers_do_not_share_a_name_or_an_issuer() {
    let one = of("name = \"a\"\nissuer = \"https://a.example\"\nclient_id = \"x\"");
    let again = [one.as_str(), one.as_str()].concat();
    assert_eq!(faults(&again), ["provider \"a\".name", "provider \"a\".issuer"]);
    let many: String = (0..17)
        .map(|n| {
            of(&format!("name = \"a{n}\"\nissuer = \"https://a{n}.example\"\nclient_id = \"x\""))
        })
        .collect();
    assert_eq!(faults(&many), ["provider"]);
    for odd in ["provider = 1", "provider = {}", "provider = [1]", "[provider]\nname = \"a\""] {
        let named = faults(odd);
        assert!(named[0].starts_with("provider"), "{odd}: {named:?}");
    }
    assert_eq!(faults("providers = []"), ["providers"]);
    assert_eq!(faults("["), ["providers"]);
}

#[test]
fn the_settings_that_the_page_shows_can_be_read() {
    let page = include_str!("../../../../docs/oidc.md");
    let (_, shown) = page.split_once("```toml\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let read = Provider::from_toml(shown).unwrap();
    assert_eq!(read[0].callback().as_deref(), Some("/auth/oidc/corp/callback"));
}
