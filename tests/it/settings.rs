//! llama.cpp's settings through the real program: each flag reaches llama.cpp and its column, and combinations are subjects.

use serde_json::Value;

use crate::support::Bench;

fn rows(ran: crate::support::Ran, format: &str) -> String {
    Bench::at(ran.folder, &format!("report out/run.json --format {format}")).run().ok().stdout
}

#[test]
fn every_flag_is_used_and_stands_in_its_column() {
    let flags = "-fa 1 -nopo 1 -nkvo 1 --no-host 1 --repack 0 -lm none -lzm off -sm none -mg 0 -ts 1 -ncmoe 1 -ngl 0 -C 0x1 \
                 --prio -1 --numa distribute -b 64 -ub 32 -embd 1 -ctv f32 -dev none --cpu-strict 0 --poll 50";
    let ran = Bench::new(&format!(
        "compare {{pocket}} -ctk f32,q8_0 {flags} -ot blk\\.1=CPU -pg 8,4 -p 8-16*2 -n 4 -d 0,8 --quick --prompts none \
         --no-quality --out out"
    ))
    .run();
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let record = ran.json("out/run.json");
    let names: Vec<&str> = record["subjects"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["F16 · ctk f32", "F16 · ctk q8_0"], "named by what varies");
    // A mapped file is another buffer.
    let buffers = record["probes"][0]["buffers"].to_string();
    assert!(!buffers.contains("Mapped"), "{buffers}");
    let json: Vec<Value> = serde_json::from_str(&rows(ran, "llama-bench-json")).unwrap();
    let tests: Vec<(u64, u64, u64)> = json
        .iter()
        .map(|row| ["n_prompt", "n_gen", "n_depth"].map(|name| row[name].as_u64().unwrap()).into())
        .collect();
    let each = [(8, 0, 0), (16, 0, 0), (0, 4, 0), (8, 4, 0), (8, 0, 8), (16, 0, 8), (0, 4, 8), (8, 4, 8)];
    assert_eq!(tests, [each, each].concat());
    for (row, type_k) in json.iter().zip(["f32"; 8].into_iter().chain(["q8_0"; 8])) {
        let expected = serde_json::json!({
            "n_batch": 64, "n_ubatch": 32, "n_threads": 1, "cpu_mask": "0x1", "cpu_strict": false, "poll": 50, "type_k": type_k,
            "type_v": "f32", "n_gpu_layers": 0, "n_cpu_moe": 1, "split_mode": "none", "main_gpu": 0, "no_kv_offload": true,
            "flash_attn": 1, "devices": "none", "tensor_split": "1.00", "tensor_buft_overrides": "blk\\.1=CPU",
            "load_mode": "none", "lazy_mode": "off", "embeddings": true, "no_op_offload": 1, "no_host": true, "repack": false,
            "fit_target": 0, "fit_min_ctx": 0, "model_type": "llama ?B F16", "backends": "CPU",
        });
        for (column, value) in expected.as_object().unwrap() {
            assert_eq!(&row[column], value, "{column}");
        }
    }
}

#[test]
fn what_llama_cpp_refuses_is_the_row_of_that_combination() {
    let ran = Bench::new(
        "compare {pocket} -ot none,x=NOWHERE -C 0x0,0x80000000000000000000 -p 8 -n 0 --quick --prompts none --no-quality --out out",
    )
    .run();
    assert_eq!(ran.code, 5, "{}\n{}", ran.stdout, ran.stderr);
    let record = ran.json("out/run.json");
    let reason = |at: usize| record["subjects"][at]["outcome"].to_string();
    assert_eq!(reason(0), "\"done\"");
    assert!(reason(1).contains("--cpu-mask"), "{}", reason(1));
    assert!(reason(2).contains("no buffer is called NOWHERE: there are CPU"), "{}", reason(2));
    let table = rows(ran, "llama-bench-md");
    assert_eq!(table.lines().filter(|line| line.contains("| pp8 ") || line.contains(" pp8 |")).count(), 1, "{table}");
}

#[test]
fn devices_are_listed_and_what_has_no_effect_is_said() {
    let listed = Bench::new("compare --list-devices").run().ok();
    assert!(listed.stdout.starts_with("Available devices:\n  "), "{}", listed.stdout);
    let refused = Bench::new("compare {pocket} {pocket} --poll 0").run();
    assert!(refused.code != 0 && refused.tells("OMP_WAIT_POLICY"), "{}", refused.stderr);
    let strict = Bench::new("compare {pocket} {pocket} --cpu-strict 1").run();
    assert!(strict.code == 2 && strict.tells("OMP_PROC_BIND"), "{}", strict.stderr);
    let alone = Bench::new("compare {pocket}").run();
    assert!(alone.code != 0 && alone.tells("several values of a setting"), "{}", alone.stderr);
}

#[test]
fn many_subjects_are_told_their_time_first_and_a_round_begins_as_it_was_asked_to() {
    let ran = Bench::new(
        "compare {pocket} -fa 0,1 -ub 32-128*2 --base ub=64,fa=on --no-warmup --delay 1 -p 8 -n 0 --quick --prompts none --no-quality \
         --out out",
    )
    .run()
    .ok();
    assert!(ran.tells("6 subjects. A quick look: about"), "{}", ran.stderr);
    let record = ran.json("out/run.json");
    assert_eq!(record["subjects"][0]["name"], "F16 · ub 64 · fa on");
    assert_eq!(record["subjects"][0]["role"], "original");
    let visits = record["rounds"][0]["visits"].as_array().unwrap();
    assert_eq!(visits.len(), 6);
    for visit in visits {
        assert!(visit["warmup"].is_null() && visit["duration_ns"].as_u64().unwrap() > 1_000_000_000, "{visit}");
    }
}
