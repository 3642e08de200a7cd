//! scratch
#[test]
fn scratch() {
    let run = crate::record::read_run(std::path::Path::new("tests/fixtures/runs/v1.json")).expect("fixture");
    let a = crate::analysis::analyse(&run);
    let o =
        |w| super::Options { width: w, colour: super::Colour::Never, written: Some("results/x/report.html".into()) };
    for (f, w, name) in [
        (super::Format::Html, 80, "r.html"),
        (super::Format::Markdown, 80, "r.md"),
        (super::Format::Csv, 80, "r.csv"),
        (super::Format::Text, 80, "t80.txt"),
        (super::Format::Text, 200, "t200.txt"),
        (super::Format::Text, 50, "t50.txt"),
    ] {
        std::fs::create_dir_all("/tmp/rep").expect("dir");
        std::fs::write(format!("/tmp/rep/{name}"), super::render(f, &run, &a, &o(w)).expect("render")).expect("write");
    }
}
