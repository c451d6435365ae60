//! What a test may count on when it starts a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{Cluster, Nats, Options, SyncMode, nats, wait};

const CHILD: &str = "GIGAMESH_TEST_SERVER_CHILD";

#[test]
fn a_server_syncs_every_write_unless_told_otherwise() {
    let always = nats();
    assert_eq!(config(&always)["sync_always"], true);
    let options = Options { sync: SyncMode::ServerDefault, ..Options::default() };
    let weak = Nats::start(options).unwrap();
    assert_ne!(config(&weak)["sync_always"], true);
    assert_eq!(config(&weak)["sync_interval"], 120_000_000_000_u64);
}

#[test]
fn a_killed_server_starts_again_on_its_port_with_what_it_had() {
    let server = nats();
    let (url, pid) = (server.url(), server.pid());
    create_stream(&server);
    server.kill();
    assert_eq!(server.pid(), None);
    assert!(TcpStream::connect(address(&server)).is_err(), "a killed server still listens");
    server.restart().unwrap();
    assert_eq!(server.url(), url);
    assert_ne!(server.pid(), pid);
    assert_eq!(server.monitored("/jsz").unwrap()["streams"], 1);
}

#[test]
fn a_frozen_server_says_nothing_until_it_is_thawed() {
    let server = nats();
    server.freeze().unwrap();
    let mut stream = TcpStream::connect(address(&server)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    stream.read_exact(&mut [0]).expect_err("a frozen server speaks");
    server.thaw().unwrap();
    stream.set_read_timeout(None).unwrap();
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"INFO");
}

#[test]
fn a_dropped_server_is_gone_with_its_folder() {
    let server = nats();
    let address = address(&server);
    let folder = server.monitored("/varz").unwrap()["jetstream"]["config"]["store_dir"].clone();
    let folder = std::path::PathBuf::from(folder.as_str().unwrap());
    assert!(folder.exists());
    drop(server);
    assert!(TcpStream::connect(address).is_err());
    assert!(!folder.exists());
}

#[test]
fn a_killed_node_leaves_two_that_go_on_and_comes_back() {
    let cluster = Cluster::start(&Options::default()).unwrap();
    let nodes = cluster.nodes();
    assert_eq!(cluster.url().split(',').count(), 3);
    let known = |node: &Nats| node.monitored("/jsz").unwrap()["meta_cluster"]["cluster_size"] == 3;
    let all_known = || wait::until(|| nodes.iter().all(known).then_some(()));
    assert_eq!(all_known(), Some(()));
    nodes[0].kill();
    assert!(nodes[1].monitored("/varz").is_ok());
    nodes[0].restart().unwrap();
    assert_eq!(all_known(), Some(()));
}

#[test]
fn a_server_that_cannot_listen_shows_its_log() {
    let options = Options { extra: "no such setting: [".into(), ..Options::default() };
    let said = Nats::start(options).unwrap_err().to_string();
    assert!(said.starts_with("listening did not come to pass"), "{said}");
}

// The tool that ties a child to its parent is part of Linux's basic programs.
#[cfg(target_os = "linux")]
#[test]
fn a_server_ends_with_a_killed_test() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["tests::the_test_that_is_killed", "--exact", "--nocapture"]).env(CHILD, "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.filter_map(|line| Some(line.strip_prefix("at ")?.to_owned())).next();
    let address = address.expect("the child tells where its server is");
    TcpStream::connect(&address).expect("its server listens");
    child.kill().unwrap();
    child.wait().unwrap();
    let gone = wait::until(|| TcpStream::connect(&address).is_err().then_some(()));
    assert_eq!(gone, Some(()), "the server outlived its test");
}

/// Not a test but the process that is killed; as a test it has nothing to do.
#[test]
fn the_test_that_is_killed() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let server = nats();
    std::io::stdout().write_all(format!("\nat {}\n", address(&server)).as_bytes()).unwrap();
    // Until it is killed: nobody writes here, and the pipe lives as long as who reads from us.
    std::io::stdin().read_exact(&mut [0]).unwrap();
}

fn config(server: &Nats) -> serde_json::Value {
    server.monitored("/jsz").unwrap()["config"].clone()
}

fn address(server: &Nats) -> String {
    server.url().strip_prefix("nats://").unwrap().to_owned()
}

fn create_stream(server: &Nats) {
    let body = r#"{"name":"kept","subjects":["kept"]}"#;
    let mut stream = TcpStream::connect(address(server)).unwrap();
    let words = "CONNECT {\"verbose\":false}\r\nSUB answer 1\r\nPUB $JS.API.STREAM.CREATE.kept";
    write!(stream, "{words} answer {}\r\n{body}\r\n", body.len()).unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let answer = lines.find(|line| line.contains("stream_create_response")).unwrap();
    assert!(!answer.contains("error"), "{answer}");
}
