//! Output quality: every candidate against the original, by text, how bad it gets, and where answers diverge.

pub(super) mod bins;
mod by_domain;
pub(crate) mod cells;
mod distribution;
pub(crate) mod words;

use super::{
    metric::{bar, scale},
    names::{baseline, name},
};
use crate::{
    analysis::{
        Agreement, Analysis, AnswerRow, DomainFigures, KldKind, ModelAnalysis, QualityAnalysis, QualityVerdict,
    },
    metric::{KldOf, MetricId},
    record::{Outcome, QualityStop, QualityUnit, Role, Summary},
    report::{
        document::{Cell, Column, Figure, Section, Table},
        draw::{
            bars::{self, Group},
            canvas::{DrawError, Size},
        },
        figure::both,
        number::{fixed, nats, percent},
        text::{agree, counted, inert_line, list, shorten, stopped},
    },
};
use cells::{NOT_COMPARED, change_of, compared, kld_of, mark, original_perplexity, perplexity, rounded, share};

/// The mean KLD that is shown as a bar: a bound is none.
const KLD: MetricId = MetricId::MeanKld { of: KldOf::Whole };

pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    let mut figures: Vec<Figure> = both(|size| means(analysis, size))?.into_iter().collect();
    figures.extend(both(|size| distribution::figure(analysis, size))?);
    figures.extend(both(|size| by_domain::figure(analysis, size))?);
    figures.extend(bins::figures(analysis)?);
    Ok(Section {
        id: "quality",
        title: "Quality",
        lead: "A candidate and what it is held against read the same windows, of which the second half is scored, as llama-perplexity does. \
             KLD is the divergence of the candidate's probabilities from the other's. Same top is how often both find the same token most \
             likely. Intervals are over documents, or over windows where there are few texts. The tables say which.",
        tables: vec![
            overall(analysis),
            domains(analysis),
            bits(analysis),
            tails(analysis),
            documents(analysis),
            answers(analysis),
        ],
        figures,
    })
}

/// All texts together, one row a candidate.
fn overall(analysis: &Analysis) -> Table {
    let mut columns = vec![
        Column::text("model"),
        Column::number("PPL(Q)", ""),
        Column::number("PPL(base)", ""),
        Column::number("ΔPPL", "%"),
        Column::number("mean KLD", "nats"),
        Column::number("99 % KLD", "nats"),
        Column::number("same top", "%"),
        Column::number("documents", ""),
        Column::number("windows", ""),
    ];
    let judged = compared(analysis).any(|(_, q)| q.verdict.is_some());
    columns.extend(judged.then(|| Column::text("verdict")));
    let rows = compared(analysis).map(|(m, q)| {
        let mut cells = vec![Cell::text(name(m))];
        match &q.overall {
            Some(f) => cells.extend([
                perplexity(f.ppl),
                original_perplexity(m, f.ppl_original),
                change_of(m, f.ppl_ratio),
                kld_of(m, f.kld_mean_nats),
                kld_of(m, f.kld_p99_nats),
                rounded(m, share(f.top1_agreement)),
            ]),
            None => cells.extend(vec![Cell::unknown(NOT_COMPARED); 6]),
        }
        cells.push(Cell::number(q.documents.to_string(), q.documents as f64));
        cells.push(Cell::number(q.windows.to_string(), q.windows as f64));
        cells.extend(judged.then(|| verdict(q)));
        cells
    });
    let mut table = Table::new(
        "quality-overall",
        &format!("Output against the {}'s, every text counting equally", baseline(&analysis.context)),
        columns,
        rows.collect(),
    );
    table.notes = unit_note(analysis).into_iter().chain(cut_note(analysis)).collect();
    table.notes.extend(compared(analysis).flat_map(|(m, q)| notes(m, q)));
    table.notes.extend(imprecise(analysis));
    if !judged && !table.rows.is_empty() {
        table.notes.push("No limit was set. --max-kld says what is acceptable.".into());
    }
    if compared(analysis).any(|(_, q)| matches!(q.kld, KldKind::LowerBound { .. })) {
        table.notes.push("≥ marks a lower bound of KLD. Perplexity and same top are exact.".into());
    }
    table
}

/// Why a candidate's figures are missing, or less precise than asked.
fn notes(m: &ModelAnalysis, q: &QualityAnalysis) -> Vec<String> {
    let mut notes = Vec::new();
    if let Outcome::Failed { reason, .. } = &q.outcome {
        notes.push(format!("{} was not compared: {}", name(m), stopped(&shorten(&inert_line(reason), 600))));
    }
    if let Some(note) = q.note.as_ref().filter(|_| q.windows > 0) {
        let note = shorten(&inert_line(note), 300);
        notes.push(format!(
            "{} reads the same tokens on these texts as the original, although {}",
            name(m),
            stopped(&note)
        ));
    }
    notes
}

/// How well the mean KLD is known where that is less well than was asked for, and what kept it from more.
fn imprecise(analysis: &Analysis) -> Vec<String> {
    let why = |q: &QualityAnalysis| match q.stopped? {
        QualityStop::MaxWindows => Some("The limit of windows was reached (--max-windows 0 lifts it)."),
        QualityStop::TimeSpent => Some("The time of the run was spent (--budget gives it more)."),
        QualityStop::TextsDone => Some("The texts have no more windows."),
        QualityStop::Interrupted => Some("It was interrupted."),
        QualityStop::Precise => None,
    };
    let missed = compared(analysis).filter(|(_, q)| q.misses_precision());
    let missed: Vec<_> = missed.filter_map(|(m, q)| Some((m, q, why(q)?))).collect();
    let mut notes = Vec::new();
    for (at, (_, q, why)) in missed.iter().enumerate() {
        if missed[..at].iter().any(|(.., earlier)| earlier == why) {
            continue;
        }
        let alike = missed.iter().filter(|(.., own)| own == why);
        let known = alike.map(|(m, q, _)| match q.precision_reached {
            Some(reached) => format!("to ±{} for {}", percent(reached), name(m)),
            None => format!("without an interval for {}", name(m)),
        });
        let known = list(&known.collect::<Vec<_>>());
        notes
            .push(format!("The mean KLD is known {known}, where ±{} was asked for. {why}", percent(q.precision_asked)));
    }
    notes
}

/// What the intervals are over, and so what they hold for.
fn unit_note(analysis: &Analysis) -> Option<String> {
    let (_, q) = compared(analysis).find(|(_, q)| q.windows > 0)?;
    let texts = match q.texts.as_slice() {
        [one] => format!("on this text, {}", shorten(&inert_line(&one.name), 60)),
        _ => "on these texts".into(),
    };
    Some(match q.unit {
        QualityUnit::Document if q.documents < q.fewest_documents => format!(
            "Unit: document. {} {} reached, and {} are needed for an interval.",
            counted(q.documents, "document"),
            agree(q.documents, "was", "were"),
            q.fewest_documents
        ),
        QualityUnit::Document => {
            let (documents, domains) = (counted(q.documents, "document"), counted(q.domains.len(), "domain"));
            format!("Unit: document. Intervals are over {documents} of {domains}.")
        }
        QualityUnit::Window => {
            format!("Unit: window. The figures hold {texts}. Other texts may differ by more than the intervals say.")
        }
    })
}

/// That windows were cut short.
fn cut_note(analysis: &Analysis) -> Option<String> {
    let positions = compared(analysis).find_map(|(_, q)| q.positions)?;
    let asked = analysis.context.plan.quality.as_ref().and_then(|plan| plan.positions);
    let why = if asked == Some(positions) { "as was asked for" } else { "for want of time" };
    let (tokens, are) = (counted(positions, "token"), agree(positions as usize, "is", "are"));
    Some(format!("Of the second half of each window the first {tokens} {are} scored, {why}."))
}

/// One row a candidate and domain.
fn domains(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::text("domain"),
        Column::number("documents", ""),
        Column::number("windows", ""),
        Column::number("PPL(Q)", ""),
        Column::number("PPL(base)", ""),
        Column::number("ΔPPL", "%"),
        Column::number("mean KLD", "nats"),
        Column::number("same top", "%"),
    ];
    let row = |m: &ModelAnalysis, d: &DomainFigures| {
        vec![
            Cell::text(name(m)),
            Cell::text(shorten(&inert_line(&d.domain), 40)),
            Cell::number(d.documents.to_string(), d.documents as f64),
            Cell::number(format!("{} of {}", d.windows, d.n_windows), d.windows as f64),
            perplexity(d.figures.ppl),
            original_perplexity(m, d.figures.ppl_original),
            change_of(m, d.figures.ppl_ratio),
            kld_of(m, d.figures.kld_mean_nats),
            rounded(m, share(d.figures.top1_agreement)),
        ]
    };
    let rows = compared(analysis).flat_map(|(m, q)| q.domains.iter().map(move |d| row(m, d)));
    Table::new("quality-domains", "By domain", columns, rows.collect())
}

/// Candidates that read other tokens than the original: each model's bits for a byte, beside the original's.
fn bits(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::number("bits per byte", ""),
        Column::number("original's", ""),
        Column::number("difference", ""),
        Column::number("documents", ""),
    ];
    let cell = |f: crate::analysis::Figure| {
        let brackets = f.low.zip(f.high).map(|(low, high)| format!("[{}, {}]", fixed(low, 4), fixed(high, 4)));
        Cell { brackets, ..Cell::number(fixed(f.value, 4), f.value) }
    };
    let row = |(m, q): (&ModelAnalysis, &QualityAnalysis)| {
        let bits = q.bits_per_byte?;
        let documents = Cell::number(bits.documents.to_string(), bits.documents as f64);
        Some(vec![Cell::text(name(m)), cell(bits.candidate), cell(bits.original), cell(bits.difference), documents])
    };
    let rows: Vec<Vec<Cell>> = compared(analysis).filter_map(row).collect();
    let mut table =
        Table::new("quality-bits", "Other tokens than the original's: bits per byte of the same texts", columns, rows);
    if !table.rows.is_empty() {
        table.notes.push("Each model predicts the same bytes alone. This is no KLD and is not ranked with it.".into());
    }
    table
}

/// The tails: how bad it gets, under llama-perplexity's names.
fn tails(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::text("model"),
        Column::text("domain"),
        Column::number("median KLD", "nats"),
        Column::number("90 %", "nats"),
        Column::number("99 %", "nats"),
        Column::number("99.9 %", "nats"),
        Column::number("maximum", "nats"),
        Column::number("RMS Δp", "%"),
        Column::number("top-5 overlap", "%"),
    ];
    let row = |m: &ModelAnalysis, domain: &str, s: &Summary| {
        let nats = |v: f64| Cell::number(nats(v), v);
        vec![
            Cell::text(name(m)),
            Cell::text(shorten(&inert_line(domain), 40)),
            nats(s.kld_percentiles_nats.median),
            nats(s.kld_percentiles_nats.p90),
            nats(s.kld_percentiles_nats.p99),
            nats(s.kld_percentiles_nats.p99_9),
            nats(s.kld_percentiles_nats.maximum),
            Cell::number(fixed(s.delta_p_rms.value * 100.0, 2), s.delta_p_rms.value),
            Cell::number(fixed(s.top5_overlap_fraction * 100.0, 1), s.top5_overlap_fraction),
        ]
    };
    let rows = compared(analysis).flat_map(|(m, q)| {
        let all = q.summary.as_ref().filter(|_| q.domains.len() > 1).map(|summary| ("all", summary));
        let domains = q.domains.iter().filter_map(|d| Some((&*d.domain, d.summary.as_ref()?)));
        domains.chain(all).map(move |(domain, summary)| row(m, domain, summary)).collect::<Vec<_>>()
    });
    Table::new("quality-tails", "How bad it gets, over tokens", columns, rows.collect())
}

/// Mean KLD of every document, one column a candidate.
fn documents(analysis: &Analysis) -> Table {
    let candidates: Vec<(&ModelAnalysis, &QualityAnalysis)> =
        compared(analysis).filter(|(_, q)| q.unit == QualityUnit::Document && q.windows > 0).collect();
    let mut columns = vec![Column::text("document")];
    columns.extend(candidates.iter().map(|(m, _)| Column::number(&shorten(&name(m), 40), "nats")));
    let mut names: Vec<&str> = candidates.iter().flat_map(|(_, q)| q.texts.iter().map(|text| &*text.name)).collect();
    names.sort_unstable();
    names.dedup();
    let row = |document: &&str| {
        let of = |(m, q): &(&ModelAnalysis, &QualityAnalysis)| {
            let text = q.texts.iter().find(|text| text.name == *document);
            let kld = text.map(|text| text.figures.kld_mean_nats.value);
            kld.map_or(Cell::unknown("not scored"), |kld| Cell::number(format!("{}{}", mark(m), nats(kld)), kld))
        };
        let mut cells = vec![Cell::text(shorten(&inert_line(document), 60))];
        cells.extend(candidates.iter().map(of));
        cells
    };
    let rows = names.iter().map(row).collect();
    Table::new("quality-documents", "Mean KLD by document", columns, rows)
}

/// Where the answers to prompts part.
fn answers(analysis: &Analysis) -> Table {
    let base = baseline(&analysis.context);
    let columns = vec![
        Column::text("prompt"),
        Column::text("model"),
        Column::number("parts at token", ""),
        Column::number("common", "%"),
        Column::number(&format!("{base}'s margin there"), "nats"),
    ];
    let row = |m: &ModelAnalysis, a: &AnswerRow| {
        let mut cells = vec![Cell::text(shorten(&inert_line(&a.prompt), 60)), Cell::text(name(m))];
        cells.extend(match a.agreement? {
            Agreement::Same => vec![Cell::text("same to the end"), Cell::number("100", 1.0), Cell::text("—")],
            Agreement::Parts { token_index, common_fraction, original_margin_nats } => vec![
                Cell::number((token_index + 1).to_string(), token_index as f64),
                Cell::number(fixed(common_fraction * 100.0, 0), common_fraction),
                Cell::maybe(
                    original_margin_nats.map(f64::from),
                    |v| fixed(v, 2),
                    &format!("the {base}'s answer had ended"),
                ),
            ],
        });
        Some(cells)
    };
    let rows = analysis.models.iter().flat_map(|m| m.answers.iter().filter_map(move |a| row(m, a)));
    let title = format!("Where answers part from the {base}'s (temperature 0)");
    Table::new("quality-answers", &title, columns, rows.collect())
}

fn verdict(q: &QualityAnalysis) -> Cell {
    let Some(verdict) = q.verdict else { return Cell::unknown(NOT_COMPARED) };
    Cell::text(match verdict {
        QualityVerdict::Acceptable { max_kld_nats } => format!("within {}", nats(max_kld_nats)),
        QualityVerdict::TooFar { max_kld_nats } => format!("above {}", nats(max_kld_nats)),
        QualityVerdict::NotResolved { max_kld_nats } => format!("not resolved against {}", nats(max_kld_nats)),
    })
}

/// Mean KLD of each candidate.
fn means(analysis: &Analysis, size: Size) -> Result<Option<Figure>, DrawError> {
    if analysis.models.iter().all(|m| m.metric(&KLD).is_none()) {
        return Ok(None);
    }
    let base = baseline(&analysis.context);
    let title = format!("Mean KLD from the {base}, nats");
    let scale = scale(analysis, &KLD);
    let candidates = analysis.models.iter().filter(|m| m.role == Role::Candidate);
    let bars = candidates.map(|m| bar(m, m.metric(&KLD), scale, "not compared")).collect();
    let svg = bars::draw(size, "chart-kld", &title, &[Group { title: None, bars }])?;
    let note = format!(
        "Less is better. The {base} is 0 from itself. Whiskers: the interval over documents, or over windows of few texts."
    );
    Ok(Some(Figure { id: "chart-kld".into(), title, note, svg, narrow: None }))
}
