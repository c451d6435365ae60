//! Many queued jobs, written as fast as the ledger takes them: half ask for what no factory has,
//! half may be claimed but wait behind everything that is measured.

use crate::BenchError;
use crate::crew::together;
use crate::yard::Yard;

const WRITERS: u64 = 64;
/// Followers are seen to after so many jobs of each writer.
const STRIDE: u64 = 16;
const BODY: &str = "One of very many.";

pub(crate) async fn fill(yard: &Yard, jobs: u64) -> Result<(), BenchError> {
    together((0..WRITERS).map(|writer| fill_part(yard.clone(), writer, jobs))).await?;
    while yard.ledger.follow_all().await? > 0 {}
    Ok(())
}

async fn fill_part(yard: Yard, writer: u64, jobs: u64) -> Result<(), BenchError> {
    let mut written = 0;
    for n in (writer..jobs).step_by(usize::try_from(WRITERS).expect("a small number")) {
        let unfit: &[&str] = if n % 2 == 0 { &["nobody-has-this"] } else { &[] };
        yard.put(yard.manifest(&format!("other-{n}"), "low", unfit, BODY)).await?;
        written += 1;
        if written % STRIDE == 0 {
            yard.ledger.follow_all().await?;
        }
    }
    Ok(())
}
