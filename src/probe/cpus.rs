//! The CPUs: how many there are, how many this process may use, how fast they run, and the instruction sets they have.

use std::{collections::BTreeSet, fs, path::Path};

/// Where Linux describes its CPUs.
const SYS_CPU: &str = "/sys/devices/system/cpu";

/// How many CPUs this process may use: affinity and cgroup quota included, as the standard library finds them.
pub(crate) fn allowed() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| count(n.get()))
}

/// The CPUs this process is bound to, by number; empty when the system does not say.
pub(crate) fn bound_to() -> Vec<u32> {
    #[cfg(target_os = "linux")]
    if let Ok(set) = rustix::thread::sched_getaffinity(None) {
        return (0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).map(count).collect();
    }
    Vec::new()
}

/// Logical CPUs of the machine that are switched on.
pub(crate) fn logical() -> u32 {
    let online = fs::read_to_string(format!("{SYS_CPU}/online")).ok().and_then(|text| parse_list(&text));
    match online {
        Some(cpus) => count(cpus.len()),
        None => allowed(),
    }
}

/// Physical cores, when known.
pub(crate) fn physical_cores() -> Option<u32> {
    physical_cores_in(Path::new(SYS_CPU))
        .or_else(|| sysinfo::System::physical_core_count().ok().map(count))
        .filter(|&cores| cores > 0)
}

fn physical_cores_in(sys_cpu: &Path) -> Option<u32> {
    cores_of(sys_cpu, &parse_list(&fs::read_to_string(sys_cpu.join("online")).ok()?)?)
}

/// The physical cores of these CPUs: one = one distinct list of sibling threads.
pub(super) fn cores_of(sys_cpu: &Path, cpus: &[u32]) -> Option<u32> {
    let siblings = |cpu: &u32| fs::read_to_string(sys_cpu.join(format!("cpu{cpu}/topology/thread_siblings_list"))).ok();
    let cores: BTreeSet<String> = cpus.iter().map(siblings).collect::<Option<_>>()?;
    Some(count(cores.len()))
}

/// The frequency governor of the CPUs this process may use, all of them when they differ.
pub(crate) fn governor() -> Option<String> {
    let read = |cpu| fs::read_to_string(format!("{SYS_CPU}/cpu{cpu}/cpufreq/scaling_governor")).ok();
    let governors: BTreeSet<String> =
        bound_to().into_iter().filter_map(read).map(|text| text.trim().to_owned()).collect();
    (!governors.is_empty()).then(|| governors.into_iter().collect::<Vec<_>>().join(", "))
}

/// Mean frequency of the CPUs this process may use, now, in MHz.
pub(crate) fn mhz() -> Option<f64> {
    let bound = bound_to();
    let read = |cpu| fs::read_to_string(format!("{SYS_CPU}/cpu{cpu}/cpufreq/scaling_cur_freq")).ok();
    let khz: Vec<f64> =
        bound.iter().filter_map(|cpu| read(cpu)?.trim().parse::<f64>().ok()).filter(|khz| *khz > 0.0).collect();
    if khz.is_empty() {
        return cpuinfo_mhz(&fs::read_to_string("/proc/cpuinfo").ok()?, &bound);
    }
    mean(&khz).map(|khz| khz / 1000.0)
}

/// Mean of the lines `cpu MHz` of the given CPUs. Virtual machines often show the nominal frequency here.
fn cpuinfo_mhz(cpuinfo: &str, cpus: &[u32]) -> Option<f64> {
    let mut current = None;
    let mut mhz = Vec::new();
    for (key, value) in cpuinfo.lines().filter_map(|line| line.split_once(':')) {
        match key.trim() {
            "processor" => current = value.trim().parse().ok(),
            "cpu MHz" if current.is_some_and(|cpu| cpus.contains(&cpu)) => mhz.extend(value.trim().parse::<f64>()),
            _ => {}
        }
    }
    mean(&mhz)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The CPU's name from the text of /proc/cpuinfo; ARM kernels give none.
pub(crate) fn model_name(cpuinfo: &str) -> Option<String> {
    let (_, name) =
        cpuinfo.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == "model name")?;
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

/// A list as the kernel writes it: `0-3,8`. At most 65,536 entries, for it is expanded.
pub(super) fn parse_list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        if last.checked_sub(first)? >= 65_536 {
            return None;
        }
        cpus.extend(first..=last);
    }
    (!cpus.is_empty()).then_some(cpus)
}

pub(super) fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Names as in [`crate::record::Machine::cpu_features`], and the kernel's names for the same. Linux writes `asimd` on ARM.
const FEATURES: [(&str, &str); 21] = [
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
fn features_in(cpuinfo: &str) -> Vec<String> {
    let flags = cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        matches!(key.trim(), "flags" | "Features").then_some(value)
    });
    let has = |flag: &str| flags.is_some_and(|flags| flags.split_whitespace().any(|f| f == flag));
    FEATURES.iter().filter(|(_, flag)| has(flag)).map(|(name, _)| (*name).to_owned()).collect()
}

/// Those of this CPU, sorted: from the kernel where it lists them, else as far as the CPU can be asked.
pub(crate) fn features() -> Vec<String> {
    match fs::read_to_string("/proc/cpuinfo") {
        Ok(cpuinfo) => features_in(&cpuinfo),
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
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, which write their own fixtures")]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(parse_list("0-1\n"), Some(vec![0, 1]));
        assert_eq!(parse_list("0,2-4,9"), Some(vec![0, 2, 3, 4, 9]));
        for bad in ["", "\n", "a", "3-1", "0-4000000000", "1-"] {
            assert_eq!(parse_list(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn hyperthreads_are_one_core() {
        let sys = tempfile::tempdir().unwrap();
        fs::write(sys.path().join("online"), "0-3\n").unwrap();
        for (cpu, siblings) in [(0, "0,2"), (1, "1,3"), (2, "0,2"), (3, "1,3")] {
            let topology = sys.path().join(format!("cpu{cpu}/topology"));
            fs::create_dir_all(&topology).unwrap();
            fs::write(topology.join("thread_siblings_list"), siblings).unwrap();
        }
        assert_eq!(physical_cores_in(sys.path()), Some(2));
        fs::remove_dir_all(sys.path().join("cpu3")).unwrap();
        assert_eq!(physical_cores_in(sys.path()), None);
    }

    #[test]
    fn cpuinfo_of_two_kinds() {
        let x86 = "processor\t: 0\nmodel name\t: AMD EPYC   7B13\ncpu MHz\t\t: 2000.000\n\nprocessor\t: 1\n\
            model name\t: AMD EPYC\ncpu MHz\t\t: 3000.000\n";
        assert_eq!(model_name(x86).as_deref(), Some("AMD EPYC 7B13"));
        assert_eq!(cpuinfo_mhz(x86, &[0, 1]), Some(2500.0));
        assert_eq!(cpuinfo_mhz(x86, &[1]), Some(3000.0));
        let arm = "processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n";
        assert_eq!(model_name(arm), None);
        assert_eq!(cpuinfo_mhz(arm, &[0]), None);
    }

    #[test]
    fn this_machine_has_cpus() {
        assert!(allowed() >= 1 && allowed() <= logical());
        assert!(physical_cores().is_none_or(|cores| cores <= logical()));
    }

    #[test]
    fn x86_flags_are_whole_words() {
        let text = "processor\t: 0\nflags\t\t: fpu sse2 avx avx2 avx512_vnni avx512f fma3000 bmi2\nbugs\t: avx_vnni\n";
        assert_eq!(features_in(text), ["avx", "avx2", "avx512_vnni", "avx512f", "bmi2"]);
    }

    #[test]
    fn arm_names_are_translated() {
        let text = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd asimdhp asimddp sve i8mm bf16\n";
        assert_eq!(features_in(text), ["dotprod", "fp16", "i8mm", "neon", "sve"]);
        assert!(features_in("processor : 0\n").is_empty());
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(FEATURES.is_sorted());
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn kernel_and_cpu_agree() {
        let kernel = features();
        for (name, has) in ask_cpu() {
            assert_eq!(kernel.iter().any(|k| k == name), has, "{name}");
        }
    }
}
