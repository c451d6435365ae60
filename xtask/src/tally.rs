//! Counts tests from what the test runners print. Nothing else is a source of these figures.

use std::fmt;

/// How many tests ended which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(out, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

pub(crate) fn sum(tallies: impl IntoIterator<Item = Tally>) -> Tally {
    tallies.into_iter().fold(Tally::default(), |total, one| Tally {
        passed: total.passed + one.passed,
        failed: total.failed + one.failed,
        skipped: total.skipped + one.skipped,
    })
}

/// Who runs the tests, and so how its summary looks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Runner {
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; …`
    Plain,
    /// `Summary [ 0.1s] 4 tests run: 2 passed (1 slow), 1 failed, 1 timed out, 5 skipped`
    Nextest,
}

impl Runner {
    /// The tally of one line, if it is this runner's summary. Nextest repeats the plain summary
    /// of each test that failed, which must not be counted again.
    pub(crate) fn summary(self, line: &str) -> Option<Tally> {
        let line = line.trim();
        let counts = match self {
            Self::Plain => line.strip_prefix("test result: ")?.split_once(". ")?.1,
            Self::Nextest => line.strip_prefix("Summary [")?.split_once(" run: ")?.1,
        };
        Some(sum(counts.split([';', ',']).filter_map(count)))
    }
}

/// One part of a summary, such as `3 passed (1 slow)`. What a filter left out was not asked for.
fn count(part: &str) -> Option<Tally> {
    let (number, what) = part.trim().split_once(' ')?;
    let number = number.parse().ok()?;
    match what.split(" (").next()? {
        "passed" => Some(Tally { passed: number, ..Tally::default() }),
        "failed" | "timed out" | "exec failed" => {
            Some(Tally { failed: number, ..Tally::default() })
        }
        "ignored" | "skipped" => Some(Tally { skipped: number, ..Tally::default() }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_summary_is_counted() {
        let line = "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 9 filtered out; finished in 0.00s";
        assert_eq!(Runner::Plain.summary(line), Some(Tally { passed: 3, failed: 2, skipped: 1 }));
    }

    #[test]
    fn a_nextest_summary_is_counted_with_its_remarks() {
        let line = "     Summary [   0.103s] 4/9 tests run: 2 passed (1 slow, 1 leaky), 1 failed, 1 timed out, 5 skipped";
        assert_eq!(Runner::Nextest.summary(line), Some(Tally { passed: 2, failed: 2, skipped: 5 }));
        let line = "     Summary [   0.010s] 1 test run: 1 passed, 0 skipped";
        assert_eq!(Runner::Nextest.summary(line), Some(Tally { passed: 1, failed: 0, skipped: 0 }));
    }

    #[test]
    fn what_a_failed_test_printed_is_not_counted_again() {
        let line =
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 29 filtered out";
        assert_eq!(Runner::Nextest.summary(line), None);
    }

    #[test]
    fn any_other_line_is_not_a_summary() {
        for line in ["", "test a::b ... ok", "running 3 tests", "3 passed, 0 failed, 0 skipped"] {
            assert_eq!(Runner::Plain.summary(line), None, "{line}");
            assert_eq!(Runner::Nextest.summary(line), None, "{line}");
        }
    }

    #[test]
    fn tallies_add_up_and_print_as_the_closing_line() {
        let one = Tally { passed: 1, failed: 2, skipped: 3 };
        assert_eq!(sum([one, one]).to_string(), "2 passed, 4 failed, 6 skipped");
    }
}
