//! The job that a request names, in any of the ways in which people name one.

use fleet::Job;
use ledger::{Found, Ledger, Named};
use protocol::{Ask, Code, Problem};

use crate::answer::{Asked, problem_of};

impl<A: Ask> Asked<A> {
    /// By its id, its key, or a beginning that only its id has.
    ///
    /// # Errors
    /// There is no such job, or several are meant.
    pub async fn job(&self, ledger: &Ledger, name: &str) -> Result<Found<Job>, Box<Problem>> {
        let named = ledger.named(&self.product, name).await;
        match named.map_err(|error| problem_of(&error, self.request_id))? {
            Named::One(found) => Ok(*found),
            Named::Nobody => Err(Box::new(Problem::new(Code::NotFound, self.request_id))),
            Named::Several(count) => {
                let mut problem = Problem::new(Code::Validation, self.request_id);
                problem.field = Some(String::from("job"));
                problem.reason = Some(String::from("ambiguous"));
                problem.message = format!("{count} job ids begin with {name}");
                problem.hint = Some(String::from("write more of the id, or the job's key"));
                Err(Box::new(problem))
            }
        }
    }
}
