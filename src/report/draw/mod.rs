//! What figures are drawn with: ink, a canvas, axes, and the layouts that several figures share. It knows nothing of models or metrics.

pub(crate) mod axis;
pub(crate) mod bars;
pub(crate) mod canvas;
pub(crate) mod curves;
mod ink;
pub(crate) mod plot;
pub(crate) mod rows;
