//! The part of a blob that a request wants. One range of bytes is understood; what is not, counts as
//! none, and then all of it is sent.

use std::ops::Range;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    Of(Range<u64>),
    /// It begins behind the end.
    Beyond,
}

pub(crate) fn wanted(header: Option<&str>, size: u64) -> Part {
    let ranges = header.and_then(|header| header.trim().strip_prefix("bytes="));
    let Some((first, last)) = ranges.and_then(|ranges| ranges.trim().split_once('-')) else {
        return Part::Whole;
    };
    match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() => of(first..size, size),
        (Some(first), Some(last)) if first <= last => {
            of(first..last.saturating_add(1).min(size), size)
        }
        (None, Some(0)) if first.is_empty() => Part::Beyond,
        (None, Some(count)) if first.is_empty() => of(size.saturating_sub(count)..size, size),
        (Some(_) | None, Some(_) | None) => Part::Whole,
    }
}

fn of(part: Range<u64>, size: u64) -> Part {
    if part.start >= size { Part::Beyond } else { Part::Of(part) }
}

/// Digits alone: no sign, no blank.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_of_the_blob_or_behind_it() {
        for (header, part) in [
            ("bytes=0-0", Part::Of(0..1)),
            ("bytes=2-5", Part::Of(2..6)),
            ("bytes=2-", Part::Of(2..10)),
            ("bytes=2-99", Part::Of(2..10)),
            ("bytes=9-18446744073709551615", Part::Of(9..10)),
            ("bytes=-3", Part::Of(7..10)),
            ("bytes=-99", Part::Of(0..10)),
            ("bytes=10-", Part::Beyond),
            ("bytes=10-12", Part::Beyond),
            ("bytes=-0", Part::Beyond),
        ] {
            assert_eq!(wanted(Some(header), 10), part, "{header}");
        }
        assert_eq!(wanted(Some("bytes=-5"), 0), Part::Beyond);
        assert_eq!(wanted(None, 10), Part::Whole);
    }

    #[test]
    fn what_is_not_understood_is_no_range() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "bytes=a-b",
            "bytes=1 -2",
            "lines=0-1",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(wanted(Some(header), 10), Part::Whole, "{header:?}");
        }
    }
}
