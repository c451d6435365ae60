//! A message of ours as NATS carries it, and back. What comes from strangers is judged here: it is
//! one of our messages in every part, or none. Never panics over what came.

use async_nats::header::HeaderName;
use async_nats::{HeaderMap, Message as Heard};
use bus::{BusError, MAX_BODY, Message};
use bytes::Bytes;
use protocol::{Code, Envelope, Header, Headers, Problem};
use uuid::Uuid;

/// Beside the largest body, so much is left for headers.
pub(crate) const HEADER_ROOM: usize = 16 * 1024;
/// The longest line of any header that we read.
const LONGEST_LINE: usize = 1_024;

/// Why something that came is no message of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Odd {
    #[error("its subject is not in the table")]
    Subject,
    #[error("its header {0} is given twice, too long or not one line")]
    Header(&'static str),
    #[error("its body is too large")]
    TooLarge,
    #[error("its answer is to go where no inbox is")]
    Answer,
}

pub(crate) fn written(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (header, value) in headers.iter() {
        map.insert(HeaderName::from_static(header.as_str()), value);
    }
    map
}

pub(crate) fn read(heard: &Heard) -> Result<Message, Odd> {
    let subject = heard.subject.as_str().parse().map_err(|_| Odd::Subject)?;
    if heard.payload.len() > MAX_BODY {
        return Err(Odd::TooLarge);
    }
    let headers = heard.headers.as_ref().map(read_headers).transpose()?.unwrap_or_default();
    Ok(Message { subject, headers, body: heard.payload.clone() })
}

/// Of an entry that is kept: headers that are not ours are left out, since the entry itself would
/// be lost with them.
pub(crate) fn read_kept(heard: &Heard) -> Result<Message, Odd> {
    match read(heard) {
        Err(Odd::Header(_)) => {
            let bare = Heard { headers: None, ..heard.clone() };
            read(&bare)
        }
        read => read,
    }
}

/// Names that we do not know belong to somebody else; those that we know must be in order.
pub(crate) fn read_headers(map: &HeaderMap) -> Result<Headers, Odd> {
    let mut headers = Headers::default();
    for (name, values) in map.iter() {
        let Some(header) = Header::named(name.as_ref()) else { continue };
        let [value] = values.as_slice() else { return Err(Odd::Header(header.as_str())) };
        let line = value.as_str();
        let fits = line.len() <= LONGEST_LINE && !line.chars().any(char::is_control);
        if !fits || headers.get(header).is_some() {
            return Err(Odd::Header(header.as_str()));
        }
        headers = headers.with(header, line);
    }
    Ok(headers)
}

pub(crate) fn fits(body: &Bytes) -> Result<(), BusError> {
    match body.len() {
        size if size > MAX_BODY => Err(BusError::TooLarge { size, limit: MAX_BODY }),
        _ => Ok(()),
    }
}

/// The answer to somebody whose request is none, in the words of the error table.
pub(crate) fn refusal(odd: Odd, request_id: Uuid) -> (HeaderMap, Bytes) {
    let code = match odd {
        Odd::Subject => Code::NotFound,
        Odd::Header(_) | Odd::Answer => Code::Validation,
        Odd::TooLarge => Code::TooLarge,
    };
    let mut problem = Problem::new(code, request_id);
    problem.message = format!("this is no request: {odd}");
    if let Odd::Header(name) = odd {
        problem.field = Some(name.to_owned());
    }
    let headers = Headers::default()
        .with(Header::Status, &code.http().to_string())
        .with(Header::Code, code.as_str())
        .with(Header::RequestId, &request_id.to_string());
    let body = serde_json::to_vec(&Envelope::from(problem)).expect("string keys encode");
    (written(&headers), body.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(subject: &str, headers: HeaderMap, body: impl Into<Bytes>) -> Heard {
        Heard {
            subject: subject.into(),
            reply: None,
            payload: body.into(),
            headers: Some(headers),
            status: None,
            description: None,
            length: 0,
        }
    }

    fn line(name: &str, value: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.append(name, value);
        map
    }

    #[test]
    fn every_header_comes_back_as_it_was_sent() {
        let sent = Header::ALL
            .into_iter()
            .fold(Headers::default(), |headers, header| headers.with(header, header.as_str()));
        let read = read(&heard("fleet.v1.acme.submit", written(&sent), "{}")).unwrap();
        assert_eq!((read.headers, read.body), (sent, Bytes::from("{}")));
    }

    #[test]
    fn a_header_of_ours_in_any_case_is_read_and_a_strangers_is_passed_over() {
        let mut map = line("FLEET-REQUEST-ID", "r");
        map.append("X-Stranger", "a");
        map.append("X-Stranger", "b");
        let read = read_headers(&map).unwrap();
        assert_eq!(read, Headers::default().with(Header::RequestId, "r"));
    }

    #[test]
    fn what_is_no_message_of_ours_is_told_apart() {
        let (fine, none) = ("fleet.v1.acme.submit", HeaderMap::new);
        let mut twice = line("Fleet-Deadline", "a");
        twice.append("Fleet-Deadline", "b");
        let mut twice_in_other_letters = line("Fleet-Deadline", "a");
        twice_in_other_letters.append("fleet-deadline", "a");
        let too_long = line("Fleet-Code", &"x".repeat(LONGEST_LINE + 1));
        let deadline = Err(Odd::Header("Fleet-Deadline"));
        for (heard, expected) in [
            (heard("fleet.v1.acme", none(), ""), Err(Odd::Subject)),
            (heard("fleet.v1.*.submit", none(), ""), Err(Odd::Subject)),
            (heard("fleet.v2.acme.submit", none(), ""), Err(Odd::Subject)),
            (heard(fine, twice, ""), deadline),
            (heard(fine, twice_in_other_letters, ""), deadline),
            (heard(fine, too_long, ""), Err(Odd::Header("Fleet-Code"))),
            (heard(fine, line("Fleet-Code", "a\tb"), ""), Err(Odd::Header("Fleet-Code"))),
            (heard(fine, none(), vec![0; MAX_BODY + 1]), Err(Odd::TooLarge)),
            (heard(fine, none(), vec![0; MAX_BODY]), Ok(())),
        ] {
            assert_eq!(read(&heard).map(|_| ()), expected, "{heard:?}");
        }
    }

    #[test]
    fn an_entry_survives_its_bad_headers() {
        let entry = heard("fleet.v1.acme.in", line("Fleet-Code", "a\tb"), "kept");
        let read = read_kept(&entry).unwrap();
        assert_eq!((read.headers, read.body), (Headers::default(), Bytes::from("kept")));
        let nowhere = heard("fleet.v1.acme.out", HeaderMap::new(), "");
        assert_eq!(read_kept(&nowhere).map(|_| ()), Err(Odd::Subject));
    }

    #[test]
    fn a_refusal_is_an_answer_of_the_error_table() {
        let (headers, body) = refusal(Odd::Header("Fleet-Deadline"), Uuid::nil());
        let headers = read_headers(&headers).unwrap();
        assert_eq!(headers.get(Header::Status), Some("400"));
        let envelope: Envelope = serde_json::from_slice(&body).unwrap();
        assert_eq!(envelope.error.field.as_deref(), Some("Fleet-Deadline"));
    }
}
