//! The sections behind the summary, each a lead and its tables; charts are put to them by name.

use super::{advice, depth, files, load, memory, prompts, quality, roofline, speed, table::Section, together, votes};
use crate::{analysis::Analysis, record::Run};

/// Every section, in order; those with nothing to show are left out.
#[must_use]
pub(crate) fn tables(run: &Run, analysis: &Analysis) -> Vec<Section> {
    let words = advice::advice(run, analysis);
    let all = [
        Section {
            id: "choice",
            title: "Choice",
            lead: "What each model costs and buys, and why one of them is to be taken. A limit is kept only by a whole interval, and a \
                   preference decides only where intervals do: what can't be told apart counts as equal.",
            figures: Vec::new(),
            tables: vec![advice::table(run, analysis, &words)],
        },
        Section {
            id: "speed",
            title: "Speed",
            lead: "ppN is prompt processing of N tokens, tgN the generation of N tokens, as llama-bench counts them. A ratio counts \
                   as faster or slower only when its whole interval lies outside the shaded region of equivalence.",
            figures: Vec::new(),
            tables: vec![speed::metrics(analysis)],
        },
        Section {
            id: "depth",
            title: "Depth of context",
            lead: "The same work with so many tokens already in the context, as llama-bench's -d: they are evaluated before, untimed. Every \
                   token attends to all before it, so speed falls with depth; what is left is paired by round.",
            figures: Vec::new(),
            tables: vec![depth::speeds(run, analysis)],
        },
        Section {
            id: "together",
            title: "Several at once",
            lead: "Sequences side by side in one context, as llama-batched-bench counts them: the tokens of all over the time of all. Each \
                   sequence gets its share of that. Generation follows the prompt.",
            figures: Vec::new(),
            tables: vec![together::rates(run, analysis)],
        },
        Section {
            id: "bandwidth",
            title: "Memory bandwidth",
            lead: "To generate a token, a model reads all its weights and the KV cache so far, and computes little with them: what the memory \
                   gives bounds the speed. Far below the bandwidth something else is the brake, mostly the arithmetic of unpacking a type.",
            figures: Vec::new(),
            tables: vec![roofline::shares(analysis)],
        },
        Section {
            id: "memory",
            title: "Memory",
            lead: "Resident memory of each model's own process. Weights mapped from the file are file-backed: the system can drop \
                   and read them again. llama.cpp's account and the size expected from the header stand beside it.",
            figures: Vec::new(),
            tables: vec![memory::memory(analysis), memory::buffers(analysis)],
        },
        Section {
            id: "load",
            title: "Load",
            lead: "Time to load the model alone. Warm means that the page cache held the file.",
            figures: Vec::new(),
            tables: vec![load::load(analysis)],
        },
        Section {
            id: "quality",
            title: "Quality",
            lead: "Original and candidate read the same windows side by side; the second half of each is scored, as llama-perplexity does, from exact \
                   logits. KLD is the divergence of the candidate's probabilities from the original's; same top is how often both choose the same token. \
                   Intervals are over windows.",
            figures: Vec::new(),
            tables: vec![
                quality::overall(analysis),
                quality::by_text(analysis),
                quality::tails(analysis),
                quality::answers(analysis),
            ],
        },
        Section {
            id: "prompts",
            title: "Prompts",
            lead: "The prompt suite, answered by every model. Rates are total tokens over total time.",
            figures: Vec::new(),
            tables: vec![prompts::categories(analysis), prompts::prompts(analysis)],
        },
        Section {
            id: "votes",
            title: "Judged blind",
            lead: "A person chose the better of two answers to each prompt, the original's and a candidate's, without knowing whose was whose.",
            figures: Vec::new(),
            tables: vec![votes::counts(analysis)],
        },
        crate::report::guide::section(analysis),
        Section {
            id: "files",
            title: "Files",
            lead: "Which tensors are stored in which type: a file's name tells only the most frequent one.",
            figures: Vec::new(),
            tables: vec![files::mix(run)],
        },
    ];
    all.into_iter()
        .map(|s| Section { tables: s.tables.into_iter().filter(|t| !t.rows.is_empty()).collect(), ..s })
        .filter(|s| !s.tables.is_empty())
        .collect()
}
