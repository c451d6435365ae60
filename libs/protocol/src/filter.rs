//! Which subjects a listener wants: a subject whose names may stand open. Never built from text.

use std::fmt;

use fleet::{FactoryId, ProductId};

use crate::subject::{ROOT, Row, Subject};

/// A set of subjects. Printed, `*` stands for one token and a closing `>` for all that follow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Filter {
    row: Option<Row>,
    /// Every subject of its line, whatever its names.
    whole: bool,
    text: Box<str>,
}

impl Filter {
    /// This one subject.
    #[must_use]
    pub fn exact(subject: &Subject) -> Self {
        Self { row: Some(subject.row()), whole: false, text: subject.to_string().into() }
    }

    /// One line of the table, of every product.
    #[must_use]
    pub fn every(row: Row) -> Self {
        Self { row: Some(row), whole: true, text: format!("{ROOT}.*.{}", row.tail()).into() }
    }

    /// One line of the table, of one product.
    #[must_use]
    pub fn within(row: Row, product: &ProductId) -> Self {
        let text = format!("{ROOT}.{product}.{}", row.tail()).into();
        Self { row: Some(row), whole: false, text }
    }

    /// All that one factory says, and the commands to it: the part of the tree that is its own.
    #[must_use]
    pub fn of_factory(product: &ProductId, factory: &FactoryId) -> Self {
        let text = format!("{ROOT}.{product}.f.{factory}.>").into();
        Self { row: None, whole: false, text }
    }

    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self { row: None, whole: false, text: format!("{ROOT}.>").into() }
    }

    /// The line of the table that this stays within, if it is one.
    #[must_use]
    pub fn row(&self) -> Option<Row> {
        self.row
    }

    #[must_use]
    pub fn matches(&self, subject: &Subject) -> bool {
        // Most filters are of another line, which needs no text to be made.
        if self.row.is_some_and(|row| row != subject.row()) {
            return false;
        }
        if self.whole {
            return true;
        }
        let subject = subject.to_string();
        let mut tokens = subject.split('.');
        for wanted in self.text.split('.') {
            match (wanted, tokens.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(token)) if wanted == token => {}
                (_, _) => return false,
            }
        }
        tokens.next().is_none()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}
