//! Many at work at once, each on a task of its own, as clients of a fleet are.

use std::convert::Infallible;

use node::Tasks;
use tokio::sync::oneshot;

use crate::BenchError;

/// What each of the works came to, in their order.
pub(crate) async fn together<T, W>(works: impl IntoIterator<Item = W>) -> Result<Vec<T>, BenchError>
where
    T: Send + 'static,
    W: Future<Output = Result<T, BenchError>> + Send + 'static,
{
    let tasks = Tasks::default();
    let start = |work: W| {
        let (done, answer) = oneshot::channel();
        tasks.spawn("bench", async move {
            drop(done.send(work.await));
            Ok::<(), Infallible>(())
        });
        answer
    };
    let answers: Vec<_> = works.into_iter().map(start).collect();
    let mut all = Vec::with_capacity(answers.len());
    for answer in answers {
        all.push(answer.await.map_err(|_| BenchError::Went("a client panicked"))??);
    }
    Ok(all)
}
