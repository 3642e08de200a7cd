//! Models in several files.

use std::path::{Path, PathBuf};

use super::super::fixture::Fixture;
use super::super::{GgmlType, Model, error::Error};

fn part(no: u16, count: u16) -> Fixture {
    let base = if no == 0 { Fixture::llama() } else { Fixture::default() };
    base.u16("split.no", no).u16("split.count", count).raw("split.tensors.count", 5, &5_i32.to_le_bytes()).tensor(
        &format!("blk.{no}.ffn_up.weight"),
        &[256, 2],
        GgmlType::Q8_0,
    )
}

fn path(folder: &Path, no: u16) -> PathBuf {
    folder.join(format!("tiny-{:05}-of-00002.gguf", no + 1))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for no in 0..2 {
        std::fs::write(path(folder.path(), no), part(no, 2).bytes()).unwrap();
    }
    folder
}

#[test]
fn the_first_part_finds_the_others() {
    let folder = folder();
    let model = Model::read(&path(folder.path(), 0)).unwrap();
    assert_eq!(model.parts().count(), 2);
    let facts = model.facts();
    assert_eq!((facts.files, facts.weights.tensors), (2, 5));
    assert_eq!(facts.by_type[&GgmlType::Q8_0].params, 1024);
    let bytes: u64 = (0..2).map(|no| std::fs::metadata(path(folder.path(), no)).unwrap().len()).sum();
    assert_eq!(facts.file_bytes, bytes);
}

#[test]
fn another_part_names_the_first() {
    let folder = folder();
    let error = Model::read(&path(folder.path(), 1)).unwrap_err();
    let Error::NotFirstPart { part: 2, first } = error else { panic!("{error:?}") };
    assert_eq!(first, path(folder.path(), 0));
}

#[test]
fn a_missing_part_is_named() {
    let folder = folder();
    std::fs::remove_file(path(folder.path(), 1)).unwrap();
    let error = Model::read(&path(folder.path(), 0)).unwrap_err();
    assert!(
        matches!(&error, Error::MissingPart { part: 2, count: 2, path: missing } if *missing == path(folder.path(), 1))
    );
}

#[test]
fn a_broken_part_is_named() {
    let folder = folder();
    let second = path(folder.path(), 1);
    let bytes = part(1, 2).bytes();
    std::fs::write(&second, &bytes[..bytes.len() - 64]).unwrap();
    let error = Model::read(&path(folder.path(), 0)).unwrap_err();
    let Error::Part { path: broken, source } = error else { panic!("{error:?}") };
    assert_eq!(broken, second);
    assert!(matches!(*source, Error::Truncated { .. }), "{source:?}");
}

#[test]
fn parts_that_do_not_belong_are_refused() {
    let folder = folder();
    let first = path(folder.path(), 0);
    let refuse = |second: &Fixture| {
        std::fs::write(path(folder.path(), 1), second.bytes()).unwrap();
        Model::read(&first).unwrap_err()
    };
    assert!(matches!(refuse(&part(0, 2)), Error::SplitMismatch { found: 0, expected: 1, .. }));
    assert!(matches!(refuse(&part(1, 3)), Error::SplitMismatch { found: 3, expected: 2, .. }));
    let more = part(1, 2).tensor("more.weight", &[32], GgmlType::F32);
    assert!(matches!(refuse(&more), Error::SplitMismatch { found: 6, expected: 5, .. }));
    let same = part(1, 2).tensor("token_embd.weight", &[32], GgmlType::F32);
    assert!(matches!(refuse(&same), Error::Part { source, .. } if matches!(*source, Error::DuplicateTensor { .. })));
}

#[test]
fn a_name_that_hides_the_others_is_refused() {
    let folder = folder();
    for name in [
        "renamed.gguf",
        "tiny-00001-of-00003.gguf",
        "tiny-1-of-2.gguf",
        "tiny-00002-of-00002.gguf",
        "tiny-+0001-of-00002.gguf",
    ] {
        let renamed = folder.path().join(name);
        std::fs::write(&renamed, part(0, 2).bytes()).unwrap();
        let error = Model::read(&renamed).unwrap_err();
        assert!(matches!(error, Error::SplitName { count: 2 }), "{name}: {error:?}");
    }
}

#[test]
fn parts_joined_by_bytes_are_told_from_a_wrong_name() {
    let folder = folder();
    let joined = folder.path().join("whole.gguf");
    std::fs::write(&joined, [part(0, 2).bytes(), part(1, 2).bytes()].concat()).unwrap();
    let error = Model::read(&joined).unwrap_err();
    assert!(matches!(error, Error::JoinedParts { count: 2 }), "{error:?}");
    assert!(error.to_string().contains("llama-gguf-split --merge"), "{error}");
}

#[test]
fn parts_in_capitals_are_found() {
    let folder = tempfile::tempdir().unwrap();
    for no in 0..2 {
        std::fs::write(folder.path().join(format!("A-{:05}-of-00002.GGUF", no + 1)), part(no, 2).bytes()).unwrap();
    }
    let model = Model::read(&folder.path().join("A-00001-of-00002.GGUF")).unwrap();
    assert_eq!(model.parts().count(), 2);
}

#[test]
fn a_count_no_name_can_hold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny-00001-of-00002.gguf");
    std::fs::write(&path, Fixture::llama().raw("split.count", 10, &u64::MAX.to_le_bytes()).bytes()).unwrap();
    assert!(matches!(Model::read(&path), Err(Error::TooMany { what: "parts", .. })));
}
