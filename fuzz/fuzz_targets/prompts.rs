//! Prompt files in every form.
#![no_main]

use gguf_bench_fuzz::{on_disk, prompts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    for name in ["prompts.json", "prompts.txt"] {
        if let Ok(found) = prompts::read(&on_disk(name, input)) {
            assert!(!found.is_empty() && found.iter().all(|prompt| !prompt.text.contains('\0')));
            let mut names: Vec<&str> = found.iter().map(|prompt| prompt.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), found.len(), "names are unique");
        }
    }
});
