//! Setting a key in the head of a job file, as text, so that every other line stays the line it was
//! and the faults of the file keep their numbers. Judges nothing.

const FENCE: &str = "---";

/// The spellings of the key that names a job.
pub(crate) const KEY_NAMES: [&str; 2] = ["idempotencyKey", "idempotency-key"];

/// The file with this key at its head, instead of what it said of it.
pub(super) fn set(text: &str, key: &str, value: &str) -> String {
    let line = format!("{key}: {value}");
    let Some(end) = end_of_head(text) else {
        return format!("{FENCE}\n{line}\n{FENCE}\n{text}");
    };
    let mut lines: Vec<&str> = text.lines().collect();
    let mut said = false;
    let mut at = 1;
    while at < end {
        if !names(lines[at], key) {
            at += 1;
            continue;
        }
        lines[at] = if said { "" } else { &line };
        said = true;
        at += 1;
        // What belonged to the old value is emptied, not taken out.
        while at < end && is_within(lines[at]) {
            lines[at] = "";
            at += 1;
        }
    }
    if !said {
        lines.insert(end, &line);
    }
    let mut edited = lines.join("\n");
    if text.ends_with('\n') {
        edited.push('\n');
    }
    edited
}

/// Whether the head of the file has the key.
pub(super) fn has(text: &str, key: &str) -> bool {
    let end = end_of_head(text).unwrap_or(0);
    text.lines().take(end).skip(1).any(|line| names(line, key))
}

/// The line that ends the head, counted from 0; `None` where there is no head.
fn end_of_head(text: &str) -> Option<usize> {
    let mut lines = text.lines();
    lines.next().filter(|first| first.trim_end() == FENCE)?;
    lines.position(|line| line.trim_end() == FENCE).map(|at| at + 1)
}

fn names(line: &str, key: &str) -> bool {
    let Some((said, _)) = line.split_once(':') else { return false };
    camel(said.trim_matches(['"', '\'', ' '])) == camel(key) && !line.starts_with([' ', '\t'])
}

fn is_within(line: &str) -> bool {
    line.is_empty() || line.starts_with([' ', '\t', '-', '}', ']'])
}

/// Manifest keys have two spellings, `baseBranch` and `base-branch`.
fn camel(key: &str) -> String {
    let mut camel = String::new();
    let mut rises = false;
    for letter in key.chars() {
        match letter {
            '-' => rises = true,
            letter if rises => {
                camel.extend(letter.to_uppercase());
                rises = false;
            }
            letter => camel.push(letter),
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "---\npriority: low\nretry:\n  max: 3\nbase-branch: main\n---\n# Body\n";

    #[test]
    fn a_key_takes_the_place_of_its_old_line() {
        let edited = set(FILE, "priority", "high");
        assert_eq!(edited, FILE.replace("low", "high"));
        assert_eq!(
            set(FILE, "baseBranch", "x"),
            FILE.replace("base-branch: main", "baseBranch: x")
        );
    }

    #[test]
    fn what_belonged_to_the_old_value_is_emptied_so_that_lines_keep_their_numbers() {
        let edited = set(FILE, "retry", "2");
        assert_eq!(edited.lines().nth(2), Some("retry: 2"));
        assert_eq!(edited.lines().nth(3), Some(""));
        assert_eq!(edited.lines().count(), FILE.lines().count());
    }

    #[test]
    fn a_new_key_goes_to_the_end_of_the_head_or_makes_one() {
        let edited = set(FILE, "timeout", "5m");
        assert_eq!(edited.lines().nth(5), Some("timeout: 5m"));
        assert_eq!(edited.lines().nth(6), Some("---"));
        assert_eq!(set("Work.\n", "timeout", "5m"), "---\ntimeout: 5m\n---\nWork.\n");
    }

    #[test]
    fn a_key_of_the_body_is_none() {
        let file = "---\npriority: low\n---\nidempotencyKey: no\n";
        assert!(!has(file, "idempotencyKey") && has(file, "priority"));
        assert!(has("---\nidempotency-key: a\n---\n", "idempotencyKey"));
        assert!(!has("idempotencyKey: no\n", "idempotencyKey"));
    }
}
