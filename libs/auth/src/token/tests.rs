//! Stories of tokens: how long they are good, and who may replace them.

use super::*;
use crate::mint::Credential;

const NOW: Timestamp = Timestamp::EPOCH;

fn after(span: Duration) -> Timestamp {
    NOW.plus(span)
}

fn secret(seed: u8) -> Secret {
    Credential::Token.mint([seed; 32])
}

fn wanted() -> Wanted {
    Wanted {
        product: "shop".parse().unwrap(),
        name: "ci".to_owned(),
        role: Role::Producer,
        yolo: false,
        scope: None,
        expires_at: None,
    }
}

fn told(token: Stored<Token>, command: &TokenCommand, now: Timestamp) -> Stored<Token> {
    let events = token.decide(command, now).unwrap();
    events.iter().fold(token, Stored::<Token>::evolve)
}

fn refusal(token: &Stored<Token>, command: &TokenCommand, now: Timestamp) -> Option<&'static str> {
    token.decide(command, now).unwrap_err().reason
}

fn replace(by: &str, grace: Duration) -> TokenCommand {
    TokenCommand::Replace { by: by.to_owned(), grace }
}

#[test]
fn nothing_that_is_kept_or_shown_holds_the_token() {
    let secret = secret(1);
    let token = Token::new(&secret, wanted(), NOW);
    let kept = String::from_utf8(token.encode().unwrap()).unwrap();
    let shown = serde_json::to_string(&token.shown()).unwrap();
    let rest = secret.reveal().get(HINT..).unwrap();
    for text in [kept, shown, format!("{token:?}")] {
        assert!(!text.contains(rest), "{text}");
    }
    assert_eq!(token.hint, secret.reveal().get(..HINT).unwrap());
    assert_eq!(Stored::<Token>::decode(&token.encode().unwrap()).unwrap(), token);
}

#[test]
fn a_token_is_good_until_it_expires() {
    let hour = Duration::from_hours(1);
    let wanted = Wanted { expires_at: Some(after(hour)), ..wanted() };
    let token = Token::new(&secret(1), wanted, NOW);
    let digest = digest_of(secret(1).reveal().as_bytes());
    assert!(token.admits(&digest, NOW));
    assert!(!token.admits(&digest, after(hour)));
    assert!(!token.admits(&digest_of(secret(2).reveal().as_bytes()), NOW));
}

#[test]
fn a_replaced_token_is_good_for_its_grace_and_no_longer_than_a_day() {
    let token = Token::new(&secret(1), wanted(), NOW);
    let minute = Duration::from_mins(1);
    let short = told(token.clone(), &replace("b", minute), NOW);
    assert!(short.is_good(NOW) && !short.is_current(NOW) && !short.is_good(after(minute)));
    let none = told(token.clone(), &replace("b", Duration::ZERO), NOW);
    assert!(!none.is_good(NOW));
    let long = told(token, &replace("b", Duration::MAX), NOW);
    assert_eq!(long.grace_until, Some(after(LONGEST_GRACE)));
}

#[test]
fn of_two_replacements_one_stands_and_a_repeat_is_already_so() {
    let hour = Duration::from_hours(1);
    let token = told(Token::new(&secret(1), wanted(), NOW), &replace("b", hour), NOW);
    assert_eq!(refusal(&token, &replace("c", hour), NOW), Some("rotated"));
    assert_eq!(told(token.clone(), &replace("b", hour), after(hour / 2)), token);
}

#[test]
fn a_revoked_token_is_neither_good_nor_replaced() {
    let token = told(Token::new(&secret(1), wanted(), NOW), &TokenCommand::Revoke, NOW);
    assert!(!token.is_good(NOW));
    assert_eq!(refusal(&token, &replace("b", Duration::ZERO), NOW), Some("revoked"));
    assert_eq!(told(token.clone(), &TokenCommand::Revoke, after(Duration::from_secs(1))), token);
}

#[test]
fn the_last_use_is_noted_once_a_minute() {
    let token = told(Token::new(&secret(1), wanted(), NOW), &TokenCommand::Use, NOW);
    let soon = after(Duration::from_secs(59));
    assert_eq!(told(token.clone(), &TokenCommand::Use, soon).last_used_at, Some(NOW));
    let later = after(USE_EVERY);
    assert_eq!(told(token, &TokenCommand::Use, later).last_used_at, Some(later));
}

#[test]
fn a_factorys_token_is_that_factory_with_what_it_was_narrowed_to() {
    let scope = FactoryScope {
        factory: "f1".parse().unwrap(),
        capabilities: Some(["gpu".parse().unwrap()].into()),
    };
    let wanted = Wanted { role: Role::Factory, scope: Some(scope.clone()), ..wanted() };
    let token = Token::new(&secret(1), wanted, NOW);
    let standing = token.principal().within(None).unwrap();
    assert_eq!((token.kind, standing.role), (TokenKind::Factory, Role::Factory));
    assert_eq!(standing.scope, Some(scope));
    assert_eq!(standing.who, Who::Factory(token.head.product_id.clone(), "f1".parse().unwrap()));
}
