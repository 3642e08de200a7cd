//! The canvas of a figure: draws SVG through plotters, as wide as the page makes it, and says what it shows.

use std::borrow::Cow;

use plotters::{
    backend::{DrawingBackend, SVGBackend},
    style::{
        IntoFont, ShapeStyle, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use thiserror::Error;

pub(crate) use super::ink::Ink;
use super::ink::for_page;
use crate::report::text::shorten;

/// plotters could not draw a figure.
#[derive(Debug, Error)]
#[error("draw {id}")]
pub(crate) struct DrawError {
    id: String,
}

/// What a figure is drawn for. On a telephone the letters of a wide one would be too small to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// In the figure's own units; the page scales it.
    pub(crate) width: i32,
    suffix: &'static str,
}

impl Size {
    pub(crate) const WIDE: Self = Self { width: 560, suffix: "" };
    pub(crate) const NARROW: Self = Self { width: 340, suffix: "-narrow" };

    /// What a figure of this size is called, as a page has both.
    pub(crate) fn id(self, figure: &str) -> String {
        format!("{figure}{}", self.suffix)
    }
}

/// Height of ordinary text.
const TEXT: f64 = 13.0;
/// plotters divides sizes by this on the way out.
const PLOTTERS_TEXT: f64 = 1.24;

/// Which part of a text lies at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    Normal,
    Bold,
    Small,
}

impl Face {
    fn size(self) -> f64 {
        if self == Self::Small { TEXT - 2.0 } else { TEXT }
    }

    /// Width of a text in this face, rather too much than too little: nobody knows the reader's font.
    pub(crate) fn width(self, text: &str) -> i32 {
        let wide = |c: char| {
            if c as u32 >= 0x1100 && c.is_alphabetic() {
                1.1
            } else if "ilI.,:;'|[]()·\u{202f} ".contains(c) {
                0.38
            } else if "mMwW—%×<>&@#\u{fffd}".contains(c) {
                0.92
            } else {
                0.62
            }
        };
        let bold = if self == Self::Bold { 1.1 } else { 1.0 };
        px(text.chars().map(wide).sum::<f64>() * self.size() * bold) + 1
    }

    /// A text, or as much of it as there is room for.
    fn fit(self, text: &str, room: i32) -> Cow<'_, str> {
        if self.width(text) <= room {
            return text.into();
        }
        let most = (1..text.chars().count()).rev().find(|most| self.width(&shorten(text, *most)) <= room);
        shorten(text, most.unwrap_or(1)).into()
    }
}

/// Rounds to the grid of the figure.
#[expect(clippy::cast_possible_truncation, reason = "figures are some thousand units wide at most")]
pub(crate) fn px(x: f64) -> i32 {
    x.round().clamp(-1e6, 1e6) as i32
}

/// A figure being drawn.
pub(crate) struct Canvas<'a> {
    backend: SVGBackend<'a>,
    width: i32,
    failed: bool,
}

impl Canvas<'_> {
    pub(crate) fn rect(&mut self, ink: Ink, (x, y): (i32, i32), (w, h): (i32, i32)) {
        if w > 0 && h > 0 {
            self.failed |= self.backend.draw_rect((x, y), (x + w, y + h), &style(ink, 1, true), true).is_err();
        }
    }

    pub(crate) fn line(&mut self, ink: Ink, from: (i32, i32), to: (i32, i32), width: u32) {
        self.failed |= self.backend.draw_line(from, to, &style(ink, width, false)).is_err();
    }

    pub(crate) fn area(&mut self, ink: Ink, points: &[(i32, i32)]) {
        self.failed |= self.backend.fill_polygon(points.iter().copied(), &style(ink, 1, true)).is_err();
    }

    pub(crate) fn dot(&mut self, ink: Ink, at: (i32, i32), radius: u32, filled: bool) {
        self.failed |= self.backend.draw_circle(at, radius, &style(ink, 2, filled), filled).is_err();
    }

    /// A text; smaller where that makes it fit, else as much of it as there is room for.
    pub(crate) fn text(&mut self, ink: Ink, face: Face, anchor: Anchor, at: (i32, i32), text: &str) {
        let room = match anchor {
            Anchor::Start => self.width - at.0,
            Anchor::Middle => 2 * at.0.min(self.width - at.0),
            Anchor::End => at.0,
        };
        let face = if face.width(text) > room { Face::Small } else { face };
        let text = face.fit(text, room);
        let h = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let font = ("sans-serif", face.size() * PLOTTERS_TEXT).into_font();
        let font = if face == Face::Bold { font.style(plotters::style::FontStyle::Bold) } else { font };
        let colour = ink.number();
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(h, VPos::Center));
        self.failed |= self.backend.draw_text(&text, &style, at).is_err();
    }
}

fn style(ink: Ink, stroke_width: u32, filled: bool) -> ShapeStyle {
    ShapeStyle { color: ink.number().into(), filled, stroke_width }
}

/// Draws a figure of that width and height. `id`, `title` and `desc` name it for those who don't see it.
pub(crate) fn svg(
    id: &str,
    title: &str,
    desc: &str,
    (width, height): (i32, i32),
    draw: impl FnOnce(&mut Canvas<'_>),
) -> Result<String, DrawError> {
    let mut text = String::new();
    let mut canvas = Canvas {
        backend: SVGBackend::with_string(&mut text, (width.unsigned_abs(), height.unsigned_abs())),
        width,
        failed: false,
    };
    draw(&mut canvas);
    let failed = canvas.failed || canvas.backend.present().is_err();
    drop(canvas);
    if failed {
        return Err(DrawError { id: id.into() });
    }
    let (title, desc, body) = (escape(title), escape(desc), for_page(&text));
    Ok(format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{desc}</desc>\n{body}"
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
