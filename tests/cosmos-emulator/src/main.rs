//! `cosmos-emulator [PORT]`: one account for people and for programs, until it is killed. Says
//! where it is on its first line, and the key on its second.

#![expect(clippy::print_stdout, reason = "a tool for the command line speaks")]

use std::env;
use std::error::Error;

use cosmos_emulator::{Emulator, KEY, Settings};

fn main() -> Result<(), Box<dyn Error>> {
    let port = env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let emulator = Emulator::start(Settings { port, ..Settings::default() })?;
    println!("{}", emulator.url());
    println!("{KEY}");
    emulator.wait();
    Ok(())
}
