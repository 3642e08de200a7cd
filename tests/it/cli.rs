//! Help, versions, usage errors: what a person types first.

use crate::support::Bench;

#[test]
fn usage_errors_exit_with_2_and_help_with_0() {
    assert_eq!(Bench::new("").run().code, 2);
    assert_eq!(Bench::new("compare").run().code, 2);
    assert_eq!(Bench::new("compare {pocket}").run().code, 2);
    assert_eq!(Bench::new("compare {pocket} {pocket} --rounds 0").run().code, 2);
    assert_eq!(Bench::new("compare {pocket} {pocket} --device abacus").run().code, 2);
    let help = Bench::new("compare --help").run().ok();
    for flag in ["--pp", "--tg", "--ngl", "--ctk", "--fa", "--rounds", "--quick", "--dry-run", "--out"] {
        assert!(help.says(flag), "{flag} is in the help");
    }
    assert!(Bench::new("--version").run().ok().stdout.starts_with("gguf-bench "));
}

#[test]
fn doctor_gives_every_bad_row_a_remedy() {
    let rows = Bench::new("doctor --json").run().stdout_json();
    let rows = rows.as_array().unwrap();
    assert!(rows.len() >= 6);
    for row in rows {
        let level = row["level"].as_str().unwrap();
        assert!(!row["finding"].as_str().unwrap().is_empty());
        if level == "warning" || level == "bad" {
            assert!(row["remedy"].is_string(), "{row}");
        }
    }
    assert!(Bench::new("doctor").run().says("llama.cpp"));
}
