//! Instruction sets of the CPU that matter to llama.cpp.

/// Names as in [`crate::record::Machine::cpu_features`], and the kernel's names for the same. Linux writes `asimd` on ARM.
const NAMES: [(&str, &str); 21] = [
    ("amx_bf16", "amx_bf16"),
    ("amx_int8", "amx_int8"),
    ("amx_tile", "amx_tile"),
    ("avx", "avx"),
    ("avx2", "avx2"),
    ("avx512_bf16", "avx512_bf16"),
    ("avx512_vnni", "avx512_vnni"),
    ("avx512bw", "avx512bw"),
    ("avx512dq", "avx512dq"),
    ("avx512f", "avx512f"),
    ("avx512vbmi", "avx512vbmi"),
    ("avx512vl", "avx512vl"),
    ("avx_vnni", "avx_vnni"),
    ("bmi2", "bmi2"),
    ("dotprod", "asimddp"),
    ("f16c", "f16c"),
    ("fma", "fma"),
    ("fp16", "asimdhp"),
    ("i8mm", "i8mm"),
    ("neon", "asimd"),
    ("sve", "sve"),
];

/// Reads them from the text of /proc/cpuinfo, sorted; empty when it has neither `flags` nor `Features`.
#[must_use]
pub(crate) fn parse(cpuinfo: &str) -> Vec<String> {
    let flags = cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        matches!(key.trim(), "flags" | "Features").then_some(value)
    });
    let has = |flag: &str| flags.is_some_and(|flags| flags.split_whitespace().any(|f| f == flag));
    NAMES.iter().filter(|(_, flag)| has(flag)).map(|(name, _)| (*name).to_owned()).collect()
}

/// Those of this CPU, sorted: from the kernel where it lists them, else as far as the CPU can be asked.
#[must_use]
pub(crate) fn detect() -> Vec<String> {
    match std::fs::read_to_string("/proc/cpuinfo") {
        Ok(cpuinfo) => parse(&cpuinfo),
        Err(_) => ask_cpu().into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).collect(),
    }
}

#[cfg(target_arch = "x86_64")]
fn ask_cpu() -> Vec<(&'static str, bool)> {
    vec![
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512_bf16", is_x86_feature_detected!("avx512bf16")),
        ("avx512_vnni", is_x86_feature_detected!("avx512vnni")),
        ("avx512bw", is_x86_feature_detected!("avx512bw")),
        ("avx512dq", is_x86_feature_detected!("avx512dq")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512vbmi", is_x86_feature_detected!("avx512vbmi")),
        ("avx512vl", is_x86_feature_detected!("avx512vl")),
        ("avx_vnni", is_x86_feature_detected!("avxvnni")),
        ("bmi2", is_x86_feature_detected!("bmi2")),
        ("f16c", is_x86_feature_detected!("f16c")),
        ("fma", is_x86_feature_detected!("fma")),
    ]
}

#[cfg(target_arch = "aarch64")]
fn ask_cpu() -> Vec<(&'static str, bool)> {
    use std::arch::is_aarch64_feature_detected as has;
    vec![
        ("dotprod", has!("dotprod")),
        ("fp16", has!("fp16")),
        ("i8mm", has!("i8mm")),
        ("neon", has!("neon")),
        ("sve", has!("sve")),
    ]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn ask_cpu() -> Vec<(&'static str, bool)> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x86_flags_are_whole_words() {
        let text = "processor\t: 0\nflags\t\t: fpu sse2 avx avx2 avx512_vnni avx512f fma3000 bmi2\nbugs\t: avx_vnni\n";
        assert_eq!(parse(text), ["avx", "avx2", "avx512_vnni", "avx512f", "bmi2"]);
    }

    #[test]
    fn arm_names_are_translated() {
        let text = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd asimdhp asimddp sve i8mm bf16\n";
        assert_eq!(parse(text), ["dotprod", "fp16", "i8mm", "neon", "sve"]);
        assert!(parse("processor : 0\n").is_empty());
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(NAMES.is_sorted());
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn kernel_and_cpu_agree() {
        let kernel = detect();
        for (name, has) in ask_cpu() {
            assert_eq!(kernel.iter().any(|k| k == name), has, "{name}");
        }
    }
}
