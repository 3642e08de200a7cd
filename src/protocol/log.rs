//! What a worker's log says, all of which llama.cpp wrote: the sizes of its buffers, and why it failed.

use std::{collections::BTreeMap, path::Path};

use crate::{
    record::{Buffer, CONTEXT_STEP},
    units::MIB,
};

/// The buffers of a model and of the largest context made on it, from llama.cpp's log.
///
/// llama.cpp 0.6 offers this account only in C++; its log gives the same figures to 0.01 MiB.
pub(crate) fn buffers(log: &str) -> Vec<Buffer> {
    let mut weights: BTreeMap<String, u64> = BTreeMap::new();
    let mut contexts: Vec<BTreeMap<String, (u64, u64)>> = Vec::new();
    let mut current: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for line in log.lines() {
        if line.contains("llama_context: constructing") {
            contexts.push(std::mem::take(&mut current));
        }
        let Some((kind, name, bytes)) = buffer_line(line) else { continue };
        match kind {
            Kind::Weights => *weights.entry(name).or_default() += bytes,
            Kind::Context => current.entry(name).or_default().0 += bytes,
            // Reserved again when the graph changes: the last size stands.
            Kind::Compute => current.entry(name).or_default().1 = bytes,
        }
    }
    contexts.push(current);
    let total = |c: &BTreeMap<String, (u64, u64)>| c.values().map(|(a, b)| a + b).sum::<u64>();
    let largest = contexts.into_iter().max_by_key(total).unwrap_or_default();
    let names: std::collections::BTreeSet<&String> = weights.keys().chain(largest.keys()).collect();
    names
        .into_iter()
        .map(|name| {
            let (context_bytes, compute_bytes) = largest.get(name).copied().unwrap_or_default();
            Buffer {
                name: name.clone(),
                host: name.starts_with("CPU") || name == "AMX" || name.ends_with("_Host"),
                weights_bytes: weights.get(name).copied().unwrap_or_default(),
                context_bytes,
                compute_bytes,
            }
        })
        .collect()
}

enum Kind {
    Weights,
    Context,
    Compute,
}

/// `load_tensors:   CPU_Mapped model buffer size =   256.63 MiB` and its kin.
fn buffer_line(line: &str) -> Option<(Kind, String, u64)> {
    let (head, size) = line.split_once(" buffer size = ")?;
    let mut words = head.rsplit(' ').filter(|w| !w.is_empty());
    let kind = match words.next()? {
        "model" => Kind::Weights,
        "KV" | "RS" | "output" => Kind::Context,
        "compute" => Kind::Compute,
        _ => return None,
    };
    let name = words.next()?;
    let mib: f64 = size.trim().strip_suffix("MiB")?.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a printed size is positive and small")]
    let bytes = (mib * MIB).round() as u64;
    Some((kind, name.into(), bytes))
}

/// Bytes that the tensors of a quantized file will take, by llama.cpp's account to 0.01 MiB.
pub(crate) fn quantized_bytes(log: &str) -> Option<u64> {
    let figure = log.lines().filter_map(|line| line.split_once("quant size  = ")).next_back()?.1;
    let mib: f64 = figure.split_once(" MiB")?.0.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a printed size is positive and small")]
    let bytes = (mib * MIB).ceil() as u64;
    Some(bytes)
}

/// Whether llama.cpp warned, as it reckoned a file's size, that it would not make the file without an importance matrix.
pub(crate) fn asks_for_imatrix(log: &str) -> bool {
    of_level(log, WARNING).iter().any(|line| line.contains("will require an imatrix"))
}

/// What a worker's log has before each line that llama.cpp gave as an error.
pub(crate) const ERROR: &str = "[error] ";
/// The same before a warning; other lines have nothing before them.
pub(crate) const WARNING: &str = "[warning] ";
/// How files of ggml's source end.
const SOURCES: [&str; 8] = ["c", "cpp", "h", "hpp", "cu", "cuh", "m", "mm"];

/// What llama.cpp itself gave as errors, or else as warnings: the last `most`, each once, without the function that says it.
pub(crate) fn telling_lines(log: &str, most: usize) -> Vec<String> {
    [ERROR, WARNING].iter().map(|level| of_level(log, level)).find(|lines| !lines.is_empty()).map_or_else(
        Vec::new,
        |mut lines| {
            lines.drain(..lines.len().saturating_sub(most));
            lines
        },
    )
}

/// Kinds of warnings that are kept of one model.
const MOST_WARNINGS: usize = 6;

/// What llama.cpp warned of, in its own words, each kind once: lines that differ in figures or in what they quote are of one kind.
///
/// That a context of `n_ctx` tokens, which was asked for, is shorter than the model could have is no warning to whoever asked.
pub(crate) fn warnings(log: &str, n_ctx: u32) -> Vec<String> {
    let figures = |line: &str| -> Vec<u32> {
        line.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    let rounded = n_ctx.next_multiple_of(CONTEXT_STEP);
    let is_our_choice = |line: &str| {
        let found = figures(line);
        line.contains("n_ctx")
            && found.iter().any(|n| *n == n_ctx || *n == rounded)
            && found.iter().any(|n| *n > rounded)
    };
    let kind = |line: &str| -> String {
        let unquoted = line.split('\'').step_by(2).collect::<String>();
        unquoted.chars().filter(|c| !c.is_ascii_digit()).collect()
    };
    let mut kinds = std::collections::BTreeSet::new();
    let said = log.lines().filter_map(|line| line.strip_prefix(WARNING)).map(without_speaker);
    let told = said.filter(|line| line.chars().any(char::is_alphanumeric) && !is_our_choice(line));
    told.filter(|line| kinds.insert(kind(line))).take(MOST_WARNINGS).map(str::to_owned).collect()
}

/// `load: missing type` without the function that says it, which a reader knows nothing of.
fn without_speaker(line: &str) -> &str {
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let said = match line.trim().split_once(':') {
        Some((name, rest)) if is_name(name) => rest,
        _ => line,
    };
    said.trim_matches(|c: char| c == '*' || c.is_whitespace())
}

/// What a process that gave up said of it: the last `most` of llama.cpp's errors and of what ggml prints past its log as it aborts.
/// A warning is none of these: most often it was given long before.
pub(crate) fn dying_lines(log: &str, most: usize) -> Vec<String> {
    let mut lines = each_once(log.lines().filter_map(|line| line.strip_prefix(ERROR).or_else(|| abort(line))));
    lines.drain(..lines.len().saturating_sub(most));
    lines
}

/// A line that begins with a place in C or C++, as an assertion that fails does: `ggml.c:12: GGML_ASSERT(n > 0) failed`.
fn abort(line: &str) -> Option<&str> {
    let (place, _) = line.split_once(": ")?;
    let (file, number) = place.rsplit_once(':')?;
    let is_source = Path::new(file).extension().is_some_and(|kind| SOURCES.iter().any(|source| kind == *source));
    (is_source && number.parse::<u32>().is_ok()).then_some(line)
}

fn of_level(log: &str, level: &str) -> Vec<String> {
    each_once(log.lines().filter_map(|line| line.strip_prefix(level)))
}

fn each_once<'a>(said: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in said.map(without_function) {
        // Rules above and below a message say nothing.
        if line.chars().any(char::is_alphanumeric) && !lines.iter().any(|known| known == line) {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// `llama_model_load: error loading model` without its first word: a function's name tells a reader nothing.
fn without_function(line: &str) -> &str {
    let line = line.trim();
    match line.split_once(": ") {
        Some((name, rest)) if name.contains('_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
load_tensors:   CPU_Mapped model buffer size =   128.00 MiB
load_tensors:   CPU_REPACK model buffer size =    64.50 MiB
llama_context: constructing llama_context
llama_context:        CPU  output buffer size =     0.19 MiB
llama_kv_cache:        CPU KV buffer size =    11.25 MiB
sched_reserve:        CPU compute buffer size =    97.12 MiB
llama_context: constructing llama_context
llama_kv_cache:        CPU KV buffer size =     5.00 MiB
sched_reserve:        CPU compute buffer size =    10.00 MiB
";

    #[test]
    fn buffers_are_those_of_the_largest_context() {
        let mib = |m: f64| (m * MIB).round();
        let found = buffers(LOG);
        let names: Vec<&str> = found.iter().map(|b| b.name.as_str()).collect();
        assert_eq!(names, ["CPU", "CPU_Mapped", "CPU_REPACK"]);
        assert!((found[0].context_bytes as f64 - mib(11.25) - mib(0.19)).abs() < 2.0);
        assert!((found[0].compute_bytes as f64 - mib(97.12)).abs() < 2.0);
        assert!((found[2].weights_bytes as f64 - mib(64.5)).abs() < 2.0);
        assert!(found.iter().all(|b| b.host));
    }

    #[test]
    fn the_size_of_a_file_to_be_made_is_its_last_account() {
        let log = "llama_model_quantize_impl: model size  =     8.13 MiB (16.00 BPW)\n\
                   llama_model_quantize_impl: quant size  =     4.38 MiB (8.61 BPW)\n";
        assert_eq!(quantized_bytes(log), Some(4_592_763));
        assert_eq!(quantized_bytes("nothing of it"), None);
    }

    #[test]
    fn levels_choose_and_words_do_not() {
        let log = "loading\n[error] llama_model_load: error loading model: unknown architecture: 'x'\n\
                   print_info: rope_finetuned = unknown\n[warning] load: not this\n[error] ====\n[error] it is not there\n";
        assert_eq!(telling_lines(log, 3), ["error loading model: unknown architecture: 'x'", "it is not there"]);
        assert_eq!(telling_lines(log, 1), ["it is not there"]);
        assert_eq!(
            telling_lines("error: failed\n[warning] load_tensors: bad\n[warning] load_tensors: bad\n", 2),
            ["bad"]
        );
        assert!(telling_lines("error: failed\nunable, not found\n", 2).is_empty(), "no level, no cause");
    }

    #[test]
    fn warnings_are_kept_by_kind_and_our_own_choices_are_none() {
        let log = "loading\n[warning] load: missing pre-tokenizer type, using: 'default'\n[warning] load: ****\n\
                   [warning] load: ** GENERATION QUALITY WILL BE DEGRADED! **\n\
                   [warning] load: control-looking token:      5 '</s>' was not control-type\n\
                   [warning] load: control-looking token:      7 '<s>' was not control-type\n\
                   [warning] llama_context: n_ctx_seq (768) < n_ctx_train (8192) -- the full capacity will not be utilized\n\
                   [warning] llama_context: n_ctx_seq (768) > n_ctx_train (512) -- possible training context overflow\n\
                   [error] no\n";
        assert_eq!(
            warnings(log, 640),
            [
                "missing pre-tokenizer type, using: 'default'",
                "GENERATION QUALITY WILL BE DEGRADED!",
                "control-looking token:      5 '</s>' was not control-type",
                "n_ctx_seq (768) > n_ctx_train (512) -- possible training context overflow",
            ]
        );
        assert!(warnings("print_info: unknown\n", 512).is_empty());
    }

    #[test]
    fn what_a_process_dies_of_is_no_warning() {
        let log = "[error] alloc_buffer: no room\n[warning] llama_context: too long\nsrc/ggml-backend.cpp:1081: tensor in a buffer\nthread 12\n";
        assert_eq!(dying_lines(log, 3), ["no room", "src/ggml-backend.cpp:1081: tensor in a buffer"]);
        assert_eq!(dying_lines(log, 1), ["src/ggml-backend.cpp:1081: tensor in a buffer"]);
        assert!(dying_lines("[warning] bad\nmodel.cpp: 12: x\nC:12: y\nload.c:a: z\n", 3).is_empty());
    }
}
