//! Windows through all models in step: a micro-batch is evaluated by each, compared, and its logits forgotten.

use std::{num::NonZeroUsize, thread};

use super::{
    models::Candidate,
    reference::Reference,
    rows::{BadRow, Comparisons, ReferenceRows, Rows},
    store::LogitStore,
    texts::Window,
};
use crate::{
    engine::BatchToken,
    probe::Clock,
    protocol::{Pace, Statistics},
    quality::windows::{MicroBatches, WindowShape, scored_in},
};

/// Everything a pass over windows needs.
pub(super) struct Pass<'c> {
    pub(super) reference: Reference<'c>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) shape: WindowShape,
    pub(super) micro_batches: MicroBatches,
    pub(super) n_vocab: NonZeroUsize,
    pub(super) threads: NonZeroUsize,
    pub(super) statistics: Statistics,
    pub(super) pace: Pace,
    pub(super) stores: Vec<LogitStore>,
    pub(super) clock: &'c dyn Clock,
    /// Time in which models were evaluated.
    pub(super) evaluate_ns: u64,
    /// Windows evaluated, counted once for each model.
    pub(super) n_evaluated: usize,
    /// Logits that wait to be compared while the next are computed.
    pub(super) pending: Option<Copied<'c>>,
}

impl Pass<'_> {
    /// Scores windows side by side, at most [`MicroBatches::n_seq`].
    ///
    /// Fails where going on is pointless: the original failed.
    pub(super) fn score(&mut self, windows: &[Window]) -> Result<(), String> {
        self.clear();
        let models =
            self.candidates.iter().filter(|c| c.model.is_some()).count() + self.reference.model().iter().count();
        self.n_evaluated += models * windows.len();
        for positions in self.micro_batches.positions.clone() {
            let scored = scored_in(&positions, self.shape);
            let first_scored = self.shape.scored().start;
            let (mut tokens, mut layout) = (Vec::new(), Layout::default());
            for (sequence, window) in (0..).zip(windows) {
                for (position, &id) in window.tokens.iter().enumerate().take(positions.end).skip(positions.start) {
                    let at = u32::try_from(position).expect("a position is below n_ctx, a u32");
                    tokens.push(BatchToken { id, position: at, sequence, wanted: scored.contains(&position) });
                }
                if !scored.is_empty() {
                    layout.targets.extend(&window.targets[scored.start - first_scored..scored.end - first_scored]);
                    layout.runs.push(Run {
                        text: window.text,
                        window: window.index,
                        position: scored.start,
                        rows: scored.len(),
                    });
                }
            }
            self.micro_batch(&tokens, layout)?;
        }
        Ok(())
    }

    /// Compares what still waits.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        let Some(copied) = self.pending.take() else { return Ok(()) };
        let compared = compare(&copied.rows(self.n_vocab), &copied.layout, self.threads, &mut self.stores)?;
        self.collect(&copied.layout, compared);
        Ok(())
    }

    fn clear(&mut self) {
        for open in
            self.reference.model().into_iter().chain(self.candidates.iter_mut().filter_map(|c| c.model.as_mut()))
        {
            open.clear();
        }
    }

    fn micro_batch(&mut self, tokens: &[BatchToken], layout: Layout) -> Result<(), String> {
        let waiting = self.pending.take();
        let (threads, n_vocab) = (self.threads, self.n_vocab);
        let mut stores = std::mem::take(&mut self.stores);
        let compared = thread::scope(|scope| {
            let comparing = waiting.as_ref().map(|copied| {
                let stores = &mut stores;
                scope.spawn(move || compare(&copied.rows(n_vocab), &copied.layout, threads, stores))
            });
            let evaluated = self.evaluate(tokens, layout.targets.len());
            let compared = comparing.map(|thread| thread.join().expect("comparing does not panic")).transpose()?;
            evaluated.map(|()| compared)
        })?;
        self.stores = stores;
        if let (Some(copied), Some(compared)) = (&waiting, compared) {
            self.collect(&copied.layout, compared);
        }
        if layout.targets.is_empty() || self.statistics == Statistics::Skip {
            return Ok(());
        }
        let candidates = self.candidates.iter().map(Candidate::logits);
        match self.pace {
            Pace::InTurn => {
                let (base, candidates) = (self.reference.rows(), candidates.collect());
                let rows = Rows { n_vocab, base, candidates, targets: &layout.targets };
                let compared = compare(&rows, &layout, threads, &mut self.stores)?;
                self.collect(&layout, compared);
            }
            Pace::Overlapped => {
                let candidates = candidates.map(|logits| logits.map(<[f32]>::to_vec)).collect();
                self.pending = Some(Copied { base: self.reference.copied(), candidates, layout });
            }
        }
        Ok(())
    }

    /// Evaluates a micro-batch by every model and waits for it.
    fn evaluate(&mut self, tokens: &[BatchToken], rows: usize) -> Result<(), String> {
        let start = self.clock.now_ns();
        self.reference.evaluate(tokens, rows)?;
        for candidate in &mut self.candidates {
            let Some(open) = &mut candidate.model else { continue };
            if let Err(error) = open.evaluate(tokens) {
                candidate.fail(error.to_string());
            }
        }
        // Reading a pointer to them waits until they are there.
        self.reference.rows();
        for candidate in &self.candidates {
            candidate.logits();
        }
        self.evaluate_ns += self.clock.now_ns() - start;
        Ok(())
    }

    fn collect(&mut self, layout: &Layout, compared: Comparisons) {
        for (candidate, result) in self.candidates.iter_mut().zip(compared) {
            match result {
                None => {}
                Some(Err(bad)) => candidate.fail(layout.place(&bad)),
                Some(Ok(tokens)) => {
                    let mut rest = &tokens[..];
                    for run in &layout.runs {
                        let (own, others) = rest.split_at(run.rows);
                        if let Err(error) = candidate.collected.extend((run.text, run.window), run.position, own) {
                            candidate.fail(error.to_string());
                            break;
                        }
                        rest = others;
                    }
                }
            }
        }
    }
}

/// Rows of a micro-batch: their correct tokens, and which positions of which windows they are.
#[derive(Debug, Clone, Default)]
struct Layout {
    targets: Vec<i32>,
    runs: Vec<Run>,
}

/// Consecutive rows of a window.
#[derive(Debug, Clone, Copy)]
struct Run {
    text: usize,
    window: usize,
    /// Of the first row.
    position: usize,
    rows: usize,
}

impl Layout {
    /// A row's place in its text, for a person.
    fn place(&self, bad: &BadRow) -> String {
        let mut row = bad.row;
        for run in &self.runs {
            if row < run.rows {
                let (text, window, position) = (run.text + 1, run.window, run.position + row);
                return format!("text {text}, window {window}, position {position}: {}", bad.reason);
            }
            row -= run.rows;
        }
        bad.reason.clone()
    }
}

/// A micro-batch's logits, copied out of the models.
pub(super) struct Copied<'c> {
    layout: Layout,
    base: ReferenceRows<'c>,
    candidates: Vec<Option<Vec<f32>>>,
}

impl Copied<'_> {
    fn rows(&self, n_vocab: NonZeroUsize) -> Rows<'_> {
        let candidates = self.candidates.iter().map(Option::as_deref).collect();
        Rows { n_vocab, base: self.base.reborrow(), candidates, targets: &self.layout.targets }
    }
}

/// Compares a micro-batch, and gives the original's part of it to the stores.
fn compare(
    rows: &Rows<'_>,
    layout: &Layout,
    threads: NonZeroUsize,
    stores: &mut [LogitStore],
) -> Result<Comparisons, String> {
    for store in &mut *stores {
        store.take(rows, threads, |bad| layout.place(bad))?;
    }
    if rows.candidates.is_empty() && !stores.is_empty() {
        return Ok(Vec::new());
    }
    rows.compare(threads).map_err(|bad| layout.place(&bad))
}
