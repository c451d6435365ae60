//! What attackers send in place of a token, and what honest people do.

use std::sync::Arc;

use auth::{Binding, Who};
use clock::Clock;
use issuer::{Answer, Door, Hand, Issuer, Signer, encoded, provider, rsa_public, unsigned};
use oidc::{NotOurs, Verifier};
use protocol::Role;
use ring::hmac;
use serde_json::{Value, json};

#[tokio::test]
async fn a_token_of_each_sort_of_key_is_recognised() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    for signer in &issuer.signers {
        let known = verifier.recognise(&signer.token(&issuer.claims(&clock))).await.unwrap();
        assert_eq!(known.who, Who::User(format!("{}#248289761001", issuer.address()).into()));
        let operator = Binding { role: Role::Operator, yolo: false };
        assert_eq!(known.bindings, [("shop".parse().unwrap(), operator)].into());
        assert_eq!(known.scope, None);
    }
}

#[tokio::test]
async fn products_come_as_a_map_or_as_a_list_with_one_role_and_the_rest_grants_nothing() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    for (products, role, expected) in [
        (json!({"shop": "admin", "bank": "viewer"}), json!(null), "bank viewer, shop admin"),
        (json!(["shop", "bank"]), json!("producer"), "bank producer, shop producer"),
        (
            json!({"shop": "owner", "a.b": "admin", "bank": 1, "lab": "viewer"}),
            json!(0),
            "lab viewer",
        ),
        (json!({"shop": "factory"}), json!("admin"), ""),
        (json!({"shop": "Admin"}), json!("admin"), ""),
        (json!(["shop", 1, "../x"]), json!("viewer"), "shop viewer"),
        (json!(["shop"]), json!("factory"), ""),
        (json!(["shop"]), json!(["admin"]), ""),
        (json!("shop"), json!("admin"), ""),
        (json!(null), json!("admin"), ""),
    ] {
        let mut claims = issuer.claims(&clock);
        claims["fleet_products"] = products.clone();
        claims["fleet_role"] = role;
        let known = verifier.recognise(&issuer.signers[0].token(&claims)).await.unwrap();
        let told: Vec<_> = known
            .bindings
            .iter()
            .map(|(product, binding)| format!("{product} {}", binding.role.as_str()))
            .collect();
        assert_eq!(told.join(", "), expected, "{products}");
        assert!(known.bindings.values().all(|binding| !binding.yolo));
    }
}

#[tokio::test]
async fn no_spelling_of_none_is_believed() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let mut tokens = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", "", " none", "none\u{0}", "null", "NULL", "RS0"] {
        for signer in &issuer.signers {
            let header = json!({"alg": alg, "kid": signer.kid, "typ": "JWT"});
            let bare = unsigned(&header, &issuer.claims(&clock));
            tokens.extend([format!("{bare}."), format!("{bare}.AA"), signer.over(&bare), bare]);
        }
    }
    for token in tokens {
        let refused = verifier.recognise(&token).await.unwrap_err();
        let why = [NotOurs::Malformed, NotOurs::Unproven];
        assert!(why.contains(&refused), "{token}: {refused:?}");
    }
    assert_eq!(issuer.door.asked_at_all(), 0, "no key was needed to refuse them");
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let jwk = issuer.signers[0].jwk();
    let der = rsa_public();
    let lines = base64_lines(&der);
    let pem = format!("-----BEGIN RSA PUBLIC KEY-----\n{lines}-----END RSA PUBLIC KEY-----\n");
    let secrets = [
        der,
        pem.trim().into(),
        pem.into(),
        jwk["n"].as_str().unwrap().into(),
        jwk.to_string().into_bytes(),
        Vec::new(),
    ];
    for (name, how) in [
        ("HS256", hmac::HMAC_SHA256),
        ("HS384", hmac::HMAC_SHA384),
        ("HS512", hmac::HMAC_SHA512),
        ("RS256", hmac::HMAC_SHA256),
    ] {
        for secret in &secrets {
            let header = json!({"alg": name, "kid": "r", "typ": "JWT"});
            let bare = unsigned(&header, &issuer.claims(&clock));
            let tag = hmac::sign(&hmac::Key::new(how, secret), bare.as_bytes());
            let token = format!("{bare}.{}", encoded(tag));
            assert_eq!(verifier.recognise(&token).await, Err(NotOurs::Unproven), "{name}");
        }
    }
}

#[tokio::test]
async fn a_key_is_never_used_with_another_keys_algorithm() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let named =
        ["RS256", "ES256", "EdDSA", "RS384", "RS512", "PS256", "ES384", "ES256K", "Ed25519"];
    for key in &issuer.signers {
        for alg in named.into_iter().filter(|alg| *alg != key.algorithm()) {
            let header = json!({"alg": alg, "kid": key.kid});
            let token = key.under(&header, &issuer.claims(&clock));
            assert_eq!(verifier.recognise(&token).await, Err(NotOurs::Unproven), "{alg}");
        }
    }
}

#[tokio::test]
async fn an_algorithm_that_the_settings_leave_out_is_refused() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let mut settings = issuer.settings();
    settings["algorithms"] = json!(["ES256"]);
    let verifier = Verifier::over(vec![provider(&settings)], Arc::clone(&clock) as Arc<dyn Clock>);
    for signer in &issuer.signers {
        let recognised = verifier.recognise(&signer.token(&issuer.claims(&clock))).await;
        assert_eq!(recognised.is_ok(), signer.algorithm() == "ES256");
    }
}

#[tokio::test]
async fn a_key_or_an_address_in_the_header_leads_nowhere() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let attacker = Signer::other_rsa("r");
    let keys = json!({ "keys": [attacker.jwk()] }).to_string();
    let elsewhere = Door::open(Arc::new(move |_| Answer::Status(200, keys.clone()))).await;
    let there = format!("http://{}/keys", elsewhere.at);
    for (name, value) in [
        ("jku", json!(there)),
        ("x5u", json!(there)),
        ("jwk", attacker.jwk()),
        ("x5c", json!([encoded(rsa_public())])),
        ("kid", json!(there)),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("r' OR '1'='1")),
        ("kid", json!(["r"])),
        ("kid", json!("")),
        ("kid", json!(null)),
    ] {
        let mut header = attacker.header();
        header[name] = value.clone();
        let forged = attacker.under(&header, &issuer.claims(&clock));
        assert_eq!(verifier.recognise(&forged).await, Err(NotOurs::Unproven), "{name}");
        // It is not even looked at: a right token may carry it.
        if name != "kid" {
            let mut header = issuer.signers[0].header();
            header[name] = value;
            let right = issuer.signers[0].under(&header, &issuer.claims(&clock));
            assert!(verifier.recognise(&right).await.is_ok(), "{name}");
        }
    }
    let mut header = attacker.header();
    header.as_object_mut().unwrap().remove("kid");
    let nameless = attacker.under(&header, &issuer.claims(&clock));
    assert_eq!(verifier.recognise(&nameless).await, Err(NotOurs::Unproven));
    assert_eq!(elsewhere.asked_at_all(), 0, "a token led us there");
}

#[tokio::test]
async fn a_token_of_somebody_else_or_for_somebody_else_is_refused() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let here = issuer.address();
    for iss in [
        json!(null),
        json!(""),
        json!("https://issuer.example"),
        json!(format!("{here}/")),
        json!(here.to_uppercase()),
        json!([here]),
    ] {
        let mut claims = issuer.claims(&clock);
        claims["iss"] = iss.clone();
        let token = issuer.signers[0].token(&claims);
        assert_eq!(verifier.recognise(&token).await, Err(NotOurs::Stranger), "{iss}");
    }
    assert_eq!(issuer.door.asked_at_all(), 0, "a stranger made us fetch");
    for aud in [
        json!(null),
        json!(""),
        json!("mes"),
        json!("mesh "),
        json!("Mesh"),
        json!("gigamesh"),
        json!([]),
        json!(["other"]),
        json!(["mesh", 1]),
        json!({"mesh": true}),
        json!(1),
    ] {
        let mut claims = issuer.claims(&clock);
        claims["aud"] = aud.clone();
        let token = issuer.signers[0].token(&claims);
        assert_eq!(verifier.recognise(&token).await, Err(NotOurs::Misdirected), "{aud}");
    }
    let mut claims = issuer.claims(&clock);
    claims["aud"] = json!(["other", "mesh"]);
    assert!(verifier.recognise(&issuer.signers[0].token(&claims)).await.is_ok());
    for sub in
        [json!(null), json!(""), json!(7), json!("a b"), json!("a\nb"), json!("x".repeat(256))]
    {
        let mut claims = issuer.claims(&clock);
        claims["sub"] = sub.clone();
        let token = issuer.signers[0].token(&claims);
        assert_eq!(verifier.recognise(&token).await, Err(NotOurs::Malformed), "{sub}");
    }
}

#[tokio::test]
async fn a_key_of_one_issuer_proves_nothing_about_another() {
    let clock = Hand::new();
    let one = Issuer::open().await;
    let other =
        Issuer::with([Signer::other_rsa("r"), Signer::p256("p"), Signer::ed25519("e")]).await;
    let mut second = other.settings();
    second["name"] = json!("other");
    let providers = vec![one.provider(), provider(&second)];
    let verifier = Verifier::over(providers, Arc::clone(&clock) as Arc<dyn Clock>);
    for (ours, theirs) in one.signers.iter().zip(&other.signers) {
        // The same names of keys, and who says so is the other issuer.
        let forged = theirs.token(&one.claims(&clock));
        assert_eq!(verifier.recognise(&forged).await, Err(NotOurs::Unproven));
        for (signer, issuer) in [(ours, &one), (theirs, &other)] {
            assert!(verifier.recognise(&signer.token(&issuer.claims(&clock))).await.is_ok());
        }
    }
}

fn base64_lines(bytes: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned());
    lines.map(|line| line + "\n").collect()
}

/// What a test of refusals rests on: the same claims are believed from the right key.
#[tokio::test]
async fn a_signature_of_another_key_is_refused_though_all_else_is_right() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let strangers = [Signer::other_rsa("r"), Signer::p256("p"), Signer::ed25519("e")];
    for (right, wrong) in issuer.signers.iter().zip(strangers) {
        let claims: Value = issuer.claims(&clock);
        assert!(verifier.recognise(&right.token(&claims)).await.is_ok());
        assert_eq!(verifier.recognise(&wrong.token(&claims)).await, Err(NotOurs::Unproven));
    }
}
