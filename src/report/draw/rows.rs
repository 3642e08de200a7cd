//! Rows of a label, a mark and a text: beside each other, or the mark below the words where that is too narrow.

use super::canvas::{Anchor, Canvas, Face, Ink, Size};

/// What marks must at least have beside labels and texts.
const LEAST: i32 = 160;
/// Beside marks that have the whole width: for half a label of the axis.
const MARGIN: i32 = 14;
/// Height of a line of words above a mark.
const WORDS: i32 = 20;

/// How rows share a width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rows {
    width: i32,
    /// Where marks may begin and end.
    pub(crate) left: i32,
    pub(crate) right: i32,
    /// Of a row.
    pub(crate) height: i32,
    /// The middle of a row's mark, from its top.
    pub(crate) mark: i32,
    /// Whether the words stand above the mark.
    stacked: bool,
}

impl Rows {
    /// For these labels and texts, and marks that are so high.
    pub(crate) fn of<'a>(size: Size, words: impl Iterator<Item = (&'a str, &'a str)>, high: i32) -> Self {
        let width = size.width;
        let widest = |(left, right): (i32, i32), (label, text): (&str, &str)| {
            (left.max(Face::Normal.width(label)), right.max(Face::Normal.width(text)))
        };
        let (label, text) = words.fold((0, 0), widest);
        let (left, right) = (label + 14, width - text - 14);
        if right - left < LEAST {
            let (left, right) = (MARGIN, width - MARGIN);
            Self { width, left, right, height: WORDS + high, mark: WORDS + high / 2 - 2, stacked: true }
        } else {
            Self { width, left, right, height: high, mark: high / 2, stacked: false }
        }
    }

    /// A row's label and its text.
    pub(crate) fn words(&self, canvas: &mut Canvas<'_>, top: i32, label: &str, (ink, text): (Ink, &str)) {
        let y = top + if self.stacked { WORDS / 2 + 1 } else { self.mark };
        if self.stacked {
            canvas.text(Ink::Text, Face::Normal, Anchor::Start, (0, y), label);
        } else {
            canvas.text(Ink::Text, Face::Normal, Anchor::End, (self.left - 8, y), label);
        }
        canvas.text(ink, Face::Normal, Anchor::End, (self.width - 2, y), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_above_where_a_row_is_too_narrow() {
        let of = |size| Rows::of(size, [("SmolLM2-135M-Q4_K_M", "12.3 [11.9, 12.8]")].into_iter(), 26);
        let (wide, narrow) = (of(Size::WIDE), of(Size::NARROW));
        assert!(!wide.stacked && wide.right - wide.left >= LEAST && wide.height == 26);
        assert!(narrow.stacked && narrow.right - narrow.left > 300 && narrow.height == 46);
        assert!(!Rows::of(Size::NARROW, [("F16", "12.3")].into_iter(), 26).stacked);
    }
}
