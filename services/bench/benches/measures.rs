//! The measures, one line of JSON for each figure. Words after `--`: which of them, and
//! `store=`, `in-flight=`, `seconds=`, `backlog=`, `jobs=`.

use std::io::Write as _;

use bench::{Options, StoreChoice, What, run};

/// As in the binary.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut options = Options {
        what: Vec::new(),
        place: env!("CARGO_TARGET_TMPDIR").into(),
        seconds: 5,
        jobs: 0,
        ..Options::default()
    };
    for word in std::env::args().skip(1).filter(|word| !word.starts_with("--")) {
        set(&mut options, &word);
    }
    if options.what.is_empty() {
        options.what = What::ALL.to_vec();
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime starts");
    let tell = |figure| {
        let line = serde_json::to_string(&figure).expect("finite numbers encode");
        writeln!(std::io::stdout().lock(), "{line}").expect("somebody reads this");
    };
    runtime.block_on(run(&options, tell, |_| ())).expect("the fleet runs");
}

fn set(options: &mut Options, word: &str) {
    let number = |text: &str| text.parse::<u64>().expect("a number");
    match word.split_once('=') {
        None => options.what.push(match word {
            "cycles" => What::Cycles,
            "bundles" => What::Bundles,
            "dispatch" => What::Dispatch,
            "contention" => What::Contention,
            "renew" => What::Renew,
            "recovery" => What::Recovery,
            "logs" => What::Logs,
            other => panic!("no such measure: {other}"),
        }),
        Some(("store", "memory")) => options.store = StoreChoice::Memory,
        Some(("store", "embedded")) => options.store = StoreChoice::Embedded,
        Some(("in-flight", n)) => options.in_flight = n.parse().expect("a number"),
        Some(("seconds", n)) => options.seconds = number(n),
        Some(("backlog", n)) => options.backlog = number(n),
        Some(("jobs", n)) => options.jobs = number(n),
        Some((other, _)) => panic!("no such option: {other}"),
    }
}
