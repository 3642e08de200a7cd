//! Names that are models and names that are not, in folders made for the purpose.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, which write their own fixtures")]

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(names: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for name in names {
            fs::write(folder.path(name), "GGUF").unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn resolve(&self, name: &str) -> Result<Resolved, ResolveError> {
        resolve(self.path(name).to_str().unwrap())
    }
}

#[test]
fn a_file_whatever_its_name() {
    let folder = Folder::with(&["m-F16.gguf", "sha256-00ff"]);
    for name in ["m-F16.gguf", "sha256-00ff"] {
        let file = folder.path(name);
        assert_eq!(folder.resolve(name).unwrap(), Resolved { parts: vec![file.clone()], file });
    }
}

#[test]
fn a_split_model_by_its_first_part() {
    let names = ["m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"];
    let folder = Folder::with(&names);
    let expected: Vec<_> = names.iter().map(|name| folder.path(name)).collect();
    assert_eq!(folder.resolve(names[0]).unwrap().parts, expected);
    assert_eq!(folder.resolve("").unwrap(), Resolved { file: expected[0].clone(), parts: expected });
    let error = folder.resolve(names[1]).unwrap_err();
    assert!(matches!(&error, ResolveError::NotFirstPart { index: 2, first, .. } if *first == folder.path(names[0])));
    assert!(error.to_string().contains("m-00001-of-00003.gguf"));
    fs::remove_file(folder.path(names[2])).unwrap();
    let error = folder.resolve(names[0]).unwrap_err();
    assert!(matches!(&error, ResolveError::MissingPart { missing, .. } if *missing == folder.path(names[2])));
    fs::remove_file(folder.path(names[0])).unwrap();
    let error = folder.resolve("").unwrap_err();
    assert!(matches!(&error, ResolveError::MissingPart { missing, .. } if *missing == folder.path(names[0])));
}

#[test]
fn names_of_parts() {
    assert_eq!(SplitName::parse("a-of-b-00002-of-00010.gguf"), Some(SplitName { stem: "a-of-b", part: 2, count: 10 }));
    for other in ["m-2-of-3.gguf", "m-00004-of-00003.gguf", "m-00000-of-00003.gguf", "m-00001-of-00003.bin", "m.gguf"] {
        assert_eq!(SplitName::parse(other), None, "{other}");
    }
}

#[test]
fn a_folder_is_its_one_model() {
    let folder = Folder::with(&["README.md", "mmproj-model-f16.gguf", "model-Q4_0.gguf"]);
    fs::create_dir(folder.path("sub.gguf")).unwrap();
    let path = format!("{}/", folder.0.path().display());
    assert_eq!(resolve(&path).unwrap().file, folder.path("model-Q4_0.gguf"));
    let error = folder.resolve("sub.gguf").unwrap_err();
    assert!(matches!(error, ResolveError::EmptyFolder { .. }), "{error}");
}

#[test]
fn a_folder_of_several_lists_them() {
    let folder = Folder::with(&["b.gguf", "a.GGUF", "c-00001-of-00002.gguf", "c-00002-of-00002.gguf"]);
    let error = folder.resolve("").unwrap_err();
    assert!(error.to_string().ends_with("holds 3 models, name one of them: a.GGUF, b.gguf, c-00001-of-00002.gguf"));
}

#[test]
fn a_wrong_name_brings_near_ones() {
    let folder = Folder::with(&["smol-Q4_K_M.gguf", "smol-Q8_0.gguf", "unrelated.txt"]);
    let error = folder.resolve("smol-Q4_K_S.gguf").unwrap_err();
    assert!(matches!(&error, ResolveError::NotFound { nearby, missing: None, .. }
        if nearby[0] == "smol-Q4_K_M.gguf" && !nearby.contains(&"unrelated.txt".to_owned())));
    assert!(error.to_string().contains("does not exist; near it: smol-Q4_K_M.gguf"));
    let error = folder.resolve("smol").unwrap_err();
    assert!(matches!(&error, ResolveError::NotFound { nearby, .. } if nearby.len() == 2));
    let error = folder.resolve("zzzzzzzz").unwrap_err();
    assert!(error.to_string().ends_with("does not exist"), "{error}");
}

#[test]
fn a_wrong_folder_is_named() {
    let folder = Folder::with(&["file.gguf"]);
    let error = folder.resolve("x/y/m.gguf").unwrap_err();
    assert!(matches!(&error, ResolveError::NotFound { missing: Some(missing), .. } if *missing == folder.path("x")));
    assert!(folder.resolve("file.gguf/m.gguf").is_err());
    assert!(matches!(resolve(""), Err(ResolveError::NotFound { .. })));
    assert!(matches!(resolve("no-such-folder-here/m.gguf"), Err(ResolveError::NotFound { missing: Some(_), .. })));
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_or_a_device_is_refused_at_once() {
    let folder = Folder::with(&[]);
    let pipe = folder.path("pipe.gguf");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(folder.resolve("pipe.gguf"), Err(ResolveError::NotAFile { .. })));
    assert!(matches!(folder.resolve(""), Err(ResolveError::EmptyFolder { .. })));
    assert!(matches!(resolve("/dev/zero"), Err(ResolveError::NotAFile { .. })));
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::with(&["m.gguf"]);
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(&folder.path("m.gguf"), 0);
    let file = folder.resolve("m.gguf");
    set(folder.0.path(), 0);
    let (inside, whole) = (folder.resolve("m.gguf"), folder.resolve(""));
    set(folder.0.path(), 0o700);
    // Root may read everything.
    let root = rustix::process::geteuid().is_root();
    for answer in [file, inside, whole] {
        match answer {
            Ok(resolved) => assert!(root, "{resolved:?}"),
            Err(error) => assert!(!root && matches!(error, ResolveError::Unreadable { .. }), "{error}"),
        }
    }
}
