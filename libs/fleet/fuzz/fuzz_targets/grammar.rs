//! What holds for any two lines as capabilities, one asked and one advertised. The fuzzer and the
//! seeded damage of the test suite both come in here.

use fleet::Capability;

/// How many of the two lines were capabilities.
///
/// # Panics
/// One is not written as it was read, or does not satisfy what it was made to satisfy.
pub(crate) fn judge(bytes: &[u8]) -> usize {
    let Ok(text) = str::from_utf8(bytes) else { return 0 };
    let (asked, offered) = text.split_once('\n').unwrap_or((text, ""));
    let read = [asked, offered].map(|line| line.parse::<Capability>());
    for (line, read) in [asked, offered].into_iter().zip(&read) {
        let Ok(capability) = read else { continue };
        assert!(line.len() <= 256, "{line:?} is too long for one");
        let written = capability.to_string();
        assert_eq!(written.parse().as_ref(), Ok(capability), "{line:?} as {written:?}");
        stands_for_itself(capability, &written);
    }
    if let [Ok(asked), Ok(offered)] = &read {
        // A list of one is judged as that one is.
        let unmet = fleet::unmet(std::slice::from_ref(asked), std::slice::from_ref(offered));
        assert_eq!(unmet.is_none(), offered.satisfies(asked), "{asked} by {offered}");
    }
    read.iter().flatten().count()
}

/// What a factory is told to advertise does it, wherever one text can.
fn stands_for_itself(asked: &Capability, written: &str) {
    let offer: Capability = asked.as_offered().parse().expect("an offer is a capability");
    let open = written.contains("!=")
        || written.contains(['<', '>']) && !written.contains("<=") && !written.contains(">=");
    assert!(open || offer.satisfies(asked), "{offer} for {asked}");
}
