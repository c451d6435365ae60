//! `cosmos-emulator [PORT]`: one account for people and for programs, until it is killed. Says
//! where it is on its first line, and the key on its second. Takes orders, a line each, and answers
//! with lines.

#![expect(clippy::print_stdout, reason = "a tool for the command line speaks")]

use std::env;
use std::error::Error;
use std::io::stdin;
use std::thread;
use std::time::Duration;

use cosmos_emulator::{Emulator, Faults, KEY, Settings, Told};
use tokio::sync::mpsc;

fn main() -> Result<(), Box<dyn Error>> {
    let port = env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let emulator = Emulator::start(Settings { port, ..Settings::default() })?;
    println!("{}", emulator.url());
    println!("{KEY}");
    for line in stdin().lines() {
        obey(&emulator, &line?)?;
    }
    emulator.wait();
    Ok(())
}

/// `faults LOST_REPLIES LOST_WRITES THROTTLED MILLISECONDS`, of a thousand each; `tell CONTAINER`,
/// for every version from then on; `list DATABASE CONTAINER`, for what is there; `overwrite
/// DATABASE CONTAINER PARTITION DOCUMENT`, whatever is there.
fn obey(emulator: &Emulator, line: &str) -> Result<(), Box<dyn Error>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["faults", lost_replies, lost_writes, throttled, after] => emulator.set(Faults {
            lost_replies: lost_replies.parse()?,
            lost_writes: lost_writes.parse()?,
            throttled: throttled.parse()?,
            retry_after: Duration::from_millis(after.parse()?),
        }),
        ["tell", container] => {
            let told = emulator.tell(container);
            thread::Builder::new().name("witness".into()).spawn(move || tell(told))?;
        }
        ["list", database, container] => {
            let documents = emulator.documents(database, container)?;
            println!("listed {}", String::from_utf8_lossy(&documents));
        }
        ["overwrite", database, container, partition, ..] => {
            let document = line.splitn(5, ' ').last().unwrap_or_default().to_owned();
            emulator.overwrite((database, container), partition, document.into())?;
        }
        _ => return Err(format!("no such order: {line}").into()),
    }
    Ok(())
}

/// `told TAG UPON DOCUMENT`: of JSON, so that each is one line.
fn tell(mut told: mpsc::Receiver<Told>) {
    while let Some(Told { tag, upon, document }) = told.blocking_recv() {
        let upon = upon.as_deref().unwrap_or("-");
        println!("told {tag} {upon} {}", String::from_utf8_lossy(&document));
    }
}
