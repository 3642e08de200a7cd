//! Files: which tensors each stores in which type.

use std::collections::BTreeSet;

use crate::{
    analysis::Analysis,
    record::TensorGroup,
    report::{
        document::{Cell, Column, Section, Table},
        number::fixed,
        text::{inert_line, shorten},
    },
};

pub(super) fn section(analysis: &Analysis) -> Section {
    Section {
        id: "files",
        title: "Files",
        lead: "Which tensors are stored in which type: a file's name tells only the most frequent one.",
        tables: vec![table(analysis)],
        figures: Vec::new(),
    }
}

fn table(analysis: &Analysis) -> Table {
    let models: Vec<_> = analysis.context.subjects.iter().filter_map(|m| Some((m, m.model.facts.as_ref()?))).collect();
    let classes: BTreeSet<&str> = models.iter().flat_map(|(_, f)| &f.tensors).map(|t| t.class.as_str()).collect();
    let mut columns = vec![Column::text("tensors")];
    columns.extend(models.iter().map(|(m, _)| Column::text(&shorten(&inert_line(&m.name), 40))));
    let row = |class: &&str| {
        let mut cells = vec![Cell::text(shorten(&inert_line(class), 60))];
        cells.extend(models.iter().map(|(_, f)| {
            let groups = f.tensors.iter().filter(|t| t.class == *class);
            let of = |t: &TensorGroup| format!("{} ×{}", inert_line(&t.ggml_type), t.count);
            let text = groups.map(of).collect::<Vec<_>>().join(", ");
            if text.is_empty() { Cell::text("—") } else { Cell::text(text) }
        }));
        cells
    };
    let mut rows: Vec<_> = classes.iter().map(row).collect();
    if !rows.is_empty() {
        let bits = models.iter().map(|(_, f)| Cell::number(fixed(f.bits_per_weight, 2), f.bits_per_weight));
        rows.push(std::iter::once(Cell::text("bits per weight")).chain(bits).collect());
    }
    Table::new("mix", "Tensor types by class", columns, rows)
}
