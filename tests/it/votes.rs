//! Answers judged blind: from the page's ballot to the report, through the files a person would use.

use serde_json::{Value, json};

use crate::support::{Bench, Ran, quants};

/// What the page gives its script.
fn ballot(page: &str) -> Value {
    let text = page.split("id=\"ballot\">").nth(1).unwrap().split("</script>").next().unwrap();
    assert!(!text.contains('<'));
    serde_json::from_str(text).unwrap()
}

fn votes(ballot: &Value, better: impl Fn(usize) -> &'static str) -> String {
    let vote = |(i, q): (usize, &Value)| json!({ "workload": q["workload"], "candidate": q["candidate"], "better": better(i) });
    let votes: Vec<Value> = ballot["questions"].as_array().unwrap().iter().enumerate().map(vote).collect();
    json!({ "format": 1, "ballot": ballot["id"], "votes": votes }).to_string()
}

#[test]
fn votes_go_from_the_page_into_every_report() {
    let prompts = (0..8).map(|i| format!("Line {i}: and it came to pass")).collect::<Vec<_>>().join("\n\n");
    let ran =
        Bench::new("compare {pocket} --quick --pp 0 --tg 0 --prompts p.txt --max-new-tokens 12 --no-quality --out out")
            .file("p.txt", prompts.as_bytes())
            .arg(&quants()[2])
            .run()
            .ok();
    let ballot = ballot(&ran.read("out/report.html"));
    let (asked, same) = (ballot["questions"].as_array().unwrap().len(), ballot["same"].as_array().unwrap().len());
    assert_eq!(asked + same, 8, "each prompt is asked, or both answers are the same");
    assert!(asked >= 6, "two bits change most answers: {asked}");
    let report = |format: &str, votes: &str| -> Ran {
        Bench::new(&format!("report --format {format} --out - --votes votes.json"))
            .file("votes.json", votes.as_bytes())
            .arg(ran.folder.path().join("out"))
            .run()
    };

    let clear = votes(&ballot, |_| "original");
    let row = &report("json", &clear).ok().stdout_json()["votes"][0];
    assert_eq!((&row["original_preferred"], &row["same"]), (&json!(asked), &json!(same)));
    assert_eq!((&row["candidate_share"], &row["verdict"]), (&json!(0.0), &json!("original")));
    let said = format!("preferred to Q2_K's in {asked} of {asked} prompts");
    for format in ["text", "md", "html"] {
        let text = report(format, &clear).ok().stdout;
        let plain = text.replace("&#x27;", "'").replace('\\', "").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain.contains(&said), "{format}: {text}");
    }
    assert!(report("html", &clear).ok().says("id=\"votes-table\""));

    let even = report("text", &votes(&ballot, |i| if i % 2 == 0 { "candidate" } else { "original" })).ok().stdout;
    let even = even.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(even.contains("which chance explains"), "{even}");

    let other = clear.replace(ballot["id"].as_str().unwrap(), &"0".repeat(64));
    let refused = report("text", &other);
    assert_eq!(refused.code, 1);
    assert!(refused.tells("the votes are of another record"), "{}", refused.stderr);
    assert_eq!(report("text", "{}").code, 1, "no votes at all");
}
