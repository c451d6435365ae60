//! Aligned columns, cut to the width of a terminal. Knows nothing of what stands in them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::clean;

const GAP: usize = 2;
/// A column is not cut below this: less tells nothing.
const NARROWEST: usize = 6;

/// Rows under heads; `paint` is told the column and the text of each cell.
pub(crate) fn lines(
    heads: &[&str],
    rows: &[Vec<String>],
    width: Option<usize>,
    paint: impl Fn(usize, &str) -> Option<&'static str>,
) -> Vec<String> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| clean::line(cell)).collect()).collect();
    let mut widths: Vec<usize> = heads.iter().map(|head| head.width()).collect();
    for row in &rows {
        for (at, cell) in row.iter().enumerate() {
            widths[at] = widths[at].max(cell.width());
        }
    }
    if let Some(width) = width {
        narrow(&mut widths, width);
    }
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let mut lines = vec![laid(&heads, &widths, |_, _| None)];
    lines.extend(rows.iter().map(|row| laid(row, &widths, &paint)));
    lines
}

/// Takes from the widest until all fit, or nothing more can be taken.
fn narrow(widths: &mut [usize], width: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > NARROWEST) else {
            return;
        };
        *widest -= 1;
    }
}

fn laid(
    cells: &[String],
    widths: &[usize],
    paint: impl Fn(usize, &str) -> Option<&'static str>,
) -> String {
    let mut line = String::new();
    let mut owed = 0;
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let text = cut(cell, *width);
        line.push_str(&" ".repeat(owed));
        owed = width.saturating_sub(text.width()) + GAP;
        match paint(at, cell) {
            Some(colour) => line.push_str(&format!("\u{1b}[{colour}m{text}\u{1b}[0m")),
            None => line.push_str(&text),
        }
    }
    line
}

/// The text, or as much of it as leaves room for the sign that there is more.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut kept, mut taken) = (String::new(), 0);
    for letter in text.chars() {
        taken += letter.width().unwrap_or(0);
        if taken >= width {
            break;
        }
        kept.push(letter);
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_align_whatever_script_they_are_written_in() {
        let rows = rows(&[&["日本", "queued"], &["abcde", "shipped"]]);
        let lines = lines(&["KEY", "STAGE"], &rows, None, |_, _| None);
        assert_eq!(lines, ["KEY    STAGE", "日本   queued", "abcde  shipped"]);
    }

    #[test]
    fn the_widest_column_is_cut_first_and_says_so() {
        let rows = rows(&[&["a-key-that-is-far-too-long", "queued"]]);
        let lines = lines(&["KEY", "STAGE"], &rows, Some(18), |_, _| None);
        assert_eq!(lines, ["KEY         STAGE", "a-key-tha…  queued"]);
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
    }

    #[test]
    fn colours_stand_round_the_text_and_move_nothing() {
        let rows = rows(&[&["shipped", "x"]]);
        let lines = lines(&["STAGE", "KEY"], &rows, None, |at, _| (at == 0).then_some("32"));
        assert_eq!(lines[1], "\u{1b}[32mshipped\u{1b}[0m  x");
    }

    #[test]
    fn a_hostile_cell_is_written_out() {
        let lines = lines(&["KEY"], &rows(&[&["\u{1b}[2Jx"]]), None, |_, _| None);
        assert_eq!(lines[1], "\\u{1b}[2Jx");
    }
}
