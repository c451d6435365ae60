//! What is said beside a body: a closed list of names, each with one line of text.

use std::collections::BTreeMap;

/// The headers that this fleet reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Header {
    /// Names a request in answers and logs; made where it is absent, echoed.
    RequestId,
    /// The HTTP status of an answer.
    Status,
    /// The error code of an answer that is one.
    Code,
    /// Which of its products a principal means.
    Product,
    /// For whom the door asks, as events name them: `user:<id>` or the like.
    Actor,
    /// The moment after which nobody waits for the answer: a request past it is dropped.
    Deadline,
    /// W3C trace context.
    TraceParent,
}

impl Header {
    pub const ALL: [Self; 7] = [
        Self::RequestId,
        Self::Status,
        Self::Code,
        Self::Product,
        Self::Actor,
        Self::Deadline,
        Self::TraceParent,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestId => "Fleet-Request-Id",
            Self::Status => "Fleet-Status",
            Self::Code => "Fleet-Code",
            Self::Product => "Fleet-Product",
            Self::Actor => "Fleet-Actor",
            Self::Deadline => "Fleet-Deadline",
            Self::TraceParent => "traceparent",
        }
    }

    /// The header of that name, in whatever case it came.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|header| header.as_str().eq_ignore_ascii_case(name))
    }
}

/// The headers of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(BTreeMap<Header, Box<str>>);

impl Headers {
    /// Adds a header or replaces it. What could end the line early is left out of the value.
    #[must_use]
    pub fn with(mut self, header: Header, value: &str) -> Self {
        let line: String = value.chars().filter(|letter| !letter.is_control()).collect();
        self.0.insert(header, line.trim().into());
        self
    }

    #[must_use]
    pub fn get(&self, header: Header) -> Option<&str> {
        self.0.get(&header).map(AsRef::as_ref)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Header, &str)> {
        self.0.iter().map(|(&header, value)| (header, value.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_by_its_name_in_any_case() {
        for header in Header::ALL {
            assert_eq!(Header::named(&header.as_str().to_uppercase()), Some(header));
        }
        assert_eq!(Header::named("Nats-Msg-Id"), None);
    }

    #[test]
    fn a_value_cannot_bring_in_a_second_header() {
        let headers = Headers::default().with(Header::RequestId, " a\r\nFleet-Status: 200\n");
        assert_eq!(headers.get(Header::RequestId), Some("aFleet-Status: 200"));
        assert_eq!(headers.get(Header::Status), None);
        assert_eq!(headers.iter().count(), 1);
    }
}
