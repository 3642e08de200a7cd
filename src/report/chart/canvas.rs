//! Draws SVG through plotters, then makes it fit a page: scales, follows the page's colours, and says what it shows.

use plotters::{
    backend::{DrawingBackend, SVGBackend},
    style::{
        IntoFont, RGBColor, ShapeStyle, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::Error;

/// Width of every figure, in its own units; the page scales it.
pub(super) const WIDTH: i32 = 560;
/// Height of ordinary text.
const TEXT: f64 = 13.0;
/// plotters divides sizes by this on the way out.
const PLOTTERS_TEXT: f64 = 1.24;

/// What a mark means. The page's style sheet decides the colour, so light, dark and print differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// Text and axes.
    Text,
    /// Lesser text.
    Muted,
    /// Grid lines.
    Grid,
    /// The region of equivalence.
    Region,
    /// The original.
    Original,
    /// A candidate.
    Candidate,
    /// Relevantly better.
    Better,
    /// Relevantly worse.
    Worse,
    /// Weights; file-backed memory.
    Weights,
    /// KV cache; anonymous memory.
    Context,
    /// Compute buffers.
    Compute,
    /// The page itself, for text on a dark mark.
    Page,
    /// Series of a figure with several, in order.
    First,
    /// The next.
    Second,
    /// The next.
    Third,
    /// The next.
    Fourth,
    /// The last; then shapes tell them apart.
    Fifth,
}

impl Ink {
    /// Name of the page's variable, and the colour (Okabe and Ito, 2008) where there is no page.
    const ALL: [(Self, &str, &str); 17] = [
        (Self::Text, "text", "#1f2328"),
        (Self::Muted, "muted", "#59636e"),
        (Self::Grid, "grid", "#d1d9e0"),
        (Self::Region, "region", "#cfd7df"),
        (Self::Original, "original", "#818b98"),
        (Self::Candidate, "candidate", "#0072b2"),
        (Self::Better, "better", "#0072b2"),
        (Self::Worse, "worse", "#d55e00"),
        (Self::Weights, "weights", "#0072b2"),
        (Self::Context, "context", "#56b4e9"),
        (Self::Compute, "compute", "#e69f00"),
        (Self::Page, "page", "#ffffff"),
        (Self::First, "1", "#0072b2"),
        (Self::Second, "2", "#c75000"),
        (Self::Third, "3", "#00795a"),
        (Self::Fourth, "4", "#a8488a"),
        (Self::Fifth, "5", "#8a6a00"),
    ];

    /// A stand-in that plotters can carry; exchanged for the variable afterwards.
    fn stand_in(self) -> RGBColor {
        let at = Self::ALL.iter().position(|(ink, ..)| *ink == self).unwrap_or(0);
        RGBColor(1, 1, u8::try_from(at).unwrap_or(0))
    }
}

/// Where text begins, relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    Normal,
    Bold,
    Small,
}

impl Face {
    fn size(self) -> f64 {
        if self == Self::Small { TEXT - 2.0 } else { TEXT }
    }

    /// Width of a text in this face, rather too much than too little: nobody knows the reader's font.
    pub(super) fn width(self, text: &str) -> i32 {
        let wide = |c: char| {
            if c as u32 >= 0x1100 && c.is_alphabetic() {
                1.1
            } else if "ilI.,:;'|[]()·\u{202f} ".contains(c) {
                0.38
            } else if "mMwW—%×".contains(c) {
                0.92
            } else {
                0.62
            }
        };
        px(text.chars().map(wide).sum::<f64>() * self.size()) + 1
    }
}

/// Rounds to the grid of the figure.
#[expect(clippy::cast_possible_truncation, reason = "figures are some thousand units wide at most")]
pub(super) fn px(x: f64) -> i32 {
    x.round().clamp(-1e6, 1e6) as i32
}

/// A figure being drawn.
pub(super) struct Canvas<'a> {
    backend: SVGBackend<'a>,
    failed: bool,
}

impl Canvas<'_> {
    pub(super) fn rect(&mut self, ink: Ink, (x, y): (i32, i32), (w, h): (i32, i32)) {
        if w > 0 && h > 0 {
            self.failed |= self.backend.draw_rect((x, y), (x + w, y + h), &style(ink, 1, true), true).is_err();
        }
    }

    pub(super) fn line(&mut self, ink: Ink, from: (i32, i32), to: (i32, i32), width: u32) {
        self.failed |= self.backend.draw_line(from, to, &style(ink, width, false)).is_err();
    }

    pub(super) fn area(&mut self, ink: Ink, points: &[(i32, i32)]) {
        self.failed |= self.backend.fill_polygon(points.iter().copied(), &style(ink, 1, true)).is_err();
    }

    pub(super) fn dot(&mut self, ink: Ink, at: (i32, i32), radius: u32, filled: bool) {
        self.failed |= self.backend.draw_circle(at, radius, &style(ink, 2, filled), filled).is_err();
    }

    pub(super) fn text(&mut self, ink: Ink, face: Face, anchor: Anchor, at: (i32, i32), text: &str) {
        let h = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let font = ("sans-serif", face.size() * PLOTTERS_TEXT).into_font();
        let font = if face == Face::Bold { font.style(plotters::style::FontStyle::Bold) } else { font };
        let colour = ink.stand_in();
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(h, VPos::Center));
        self.failed |= self.backend.draw_text(text, &style, at).is_err();
    }
}

fn style(ink: Ink, stroke_width: u32, filled: bool) -> ShapeStyle {
    ShapeStyle { color: ink.stand_in().into(), filled, stroke_width }
}

/// Draws a figure of that height. `id`, `title` and `desc` name it for those who don't see it.
pub(super) fn svg(
    id: &str,
    title: &str,
    desc: &str,
    height: i32,
    draw: impl FnOnce(&mut Canvas<'_>),
) -> Result<String, Error> {
    let mut text = String::new();
    let mut canvas = Canvas {
        backend: SVGBackend::with_string(&mut text, (WIDTH.unsigned_abs(), height.unsigned_abs())),
        failed: false,
    };
    draw(&mut canvas);
    let failed = canvas.failed || canvas.backend.present().is_err();
    drop(canvas);
    if failed {
        return Err(Error::Chart { id: id.into() });
    }
    Ok(finish(&text, id, title, desc, height))
}

/// Exchanges plotters' head for ours and its colours for the page's variables.
fn finish(text: &str, id: &str, title: &str, desc: &str, height: i32) -> String {
    let body = text.split_once('>').map_or(text, |(_, body)| body.trim_start());
    let mut body = body
        .replace(" opacity=\"1\"", "")
        .replace(" stroke=\"none\"", "")
        .replace(" font-family=\"sans-serif\"", "")
        .replace("\n</text>", "</text>")
        .replace(">\n", ">");
    for (ink, name, colour) in Ink::ALL {
        let RGBColor(r, g, b) = ink.stand_in();
        body = body.replace(&format!("\"#{r:02X}{g:02X}{b:02X}\""), &format!("\"var(--c-{name},{colour})\""));
    }
    let (title, desc) = (escape(title), escape(desc));
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{desc}</desc>\n{body}"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
