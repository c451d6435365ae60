//! How people write a number of bytes: `64MiB`.

const UNITS: [(&str, u32); 5] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("", 0)];

/// # Errors
/// In words, with the way to write one.
pub(crate) fn read(said: &str) -> Result<u64, String> {
    let unit = UNITS.iter().find(|(unit, _)| said.ends_with(unit));
    let read = unit.and_then(|(unit, power)| {
        let number: u64 = said.strip_suffix(unit)?.trim().parse().ok()?;
        number.checked_mul(1 << power)
    });
    read.ok_or_else(|| "a size is a whole number and KiB, MiB, GiB or TiB, like 4GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (said, bytes) in [("0", 0), ("512", 512), ("64MiB", 64 << 20), ("4 GiB", 4 << 30)] {
            assert_eq!(read(said), Ok(bytes), "{said}");
        }
        for said in ["", "4GB", "-1", "1.5GiB", "GiB", "99999999999TiB", "4gib"] {
            assert!(read(said).is_err(), "{said}");
        }
    }
}
