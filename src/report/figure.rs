//! A figure in both sizes: as wide as a page has room for, and as a telephone has.

use super::{
    document::Figure,
    draw::canvas::{DrawError, Size},
};

/// What `draw` makes of either size; `None` where there is nothing to draw.
pub(super) fn both(draw: impl Fn(Size) -> Result<Option<Figure>, DrawError>) -> Result<Option<Figure>, DrawError> {
    let Some(wide) = draw(Size::WIDE)? else { return Ok(None) };
    let narrow = draw(Size::NARROW)?.map(|narrow| narrow.svg);
    Ok(Some(Figure { narrow, ..wide }))
}
