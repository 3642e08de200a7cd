//! Every way a header can lie, each with its own error and within a second.

use super::super::fixture::Fixture;
use super::super::{GgmlType, Header, error::Error, foreign::Foreign, metadata::ValueType};
use super::{core_seconds, parse};

const HUGE: [u64; 5] = [u64::MAX, u64::MAX - 7, 1 << 63, (1 << 61) + 1, 1 << 40];

#[track_caller]
fn refuse(fixture: &Fixture) -> Error {
    parse(&fixture.bytes()).unwrap_err()
}

macro_rules! assert_refused {
    ($fixture:expr, $pattern:pat $(if $guard:expr)?) => {
        let error = refuse(&$fixture);
        assert!(matches!(&error, $pattern $(if $guard)?), "{error:?}");
    };
}

#[test]
fn what_is_not_gguf_is_named() {
    assert!(matches!(parse(b""), Err(Error::Empty)));
    assert!(matches!(parse(b"GG"), Err(Error::Truncated { expected: 24, actual: 2 })));
    assert!(matches!(parse(b"GGUF\x03\0\0\0"), Err(Error::Truncated { expected: 24, actual: 8 })));
    assert!(matches!(parse(b"x"), Err(Error::NotGguf { looks_like: Foreign::Unknown })));
    assert!(matches!(parse(b"<html>404</html>"), Err(Error::NotGguf { looks_like: Foreign::Html })));
    assert!(matches!(parse(&[0; 4096]), Err(Error::NotGguf { looks_like: Foreign::Zeros })));
}

#[test]
fn versions_and_byte_orders() {
    for version in [0, 1, 4, u32::MAX] {
        let fixture = Fixture { version, ..Fixture::llama() };
        assert_refused!(fixture, Error::Version { found } if *found == version);
    }
    assert_refused!(Fixture { version: 3_u32.swap_bytes(), ..Fixture::llama() }, Error::BigEndian);
    assert_refused!(Fixture { magic: *b"FUGG", ..Fixture::llama() }, Error::BigEndian);
}

#[test]
fn counts_and_lengths_up_to_the_largest() {
    for huge in HUGE {
        assert_refused!(
            Fixture { key_count: Some(huge), ..Fixture::llama() },
            Error::TooMany { what: "metadata keys", .. }
        );
        assert_refused!(
            Fixture { tensor_count: Some(huge), ..Fixture::llama() },
            Error::TooMany { what: "tensors", .. }
        );
        for ty in [ValueType::U8, ValueType::U16, ValueType::U64, ValueType::String, ValueType::Bool] {
            let fixture = Fixture::llama().array("general.tags", ty, huge, &[]);
            assert_refused!(fixture, Error::TooMany { what: "array elements", .. });
        }
        let length = huge.to_le_bytes();
        let text = Fixture::llama().raw("general.name2", ValueType::String as u32, &length);
        assert_refused!(text, Error::TooLong { what: "metadata string", .. });
        let token = Fixture::llama().array("tokenizer.ggml.merges", ValueType::String, 1, &length);
        assert_refused!(token, Error::TooLong { what: "listed string", .. });
    }
    // Plausible by themselves, but not in a file this small.
    assert_refused!(Fixture { key_count: Some(10_000), ..Fixture::default() }, Error::Truncated { .. });
    assert_refused!(Fixture { tensor_count: Some(100_000), ..Fixture::default() }, Error::Truncated { .. });
    let long = Fixture::llama().array("a", ValueType::U8, 50_000_000, &[]);
    assert_refused!(long, Error::Truncated { .. });
}

#[test]
fn keys_that_repeat_or_make_no_sense() {
    assert_refused!(Fixture::llama().text("general.name", "x"), Error::DuplicateKey { key } if key == "general.name");
    assert_refused!(Fixture::llama().text("", "x"), Error::EmptyKey { index: 9 });
    assert_refused!(Fixture::llama().text(&"k".repeat(70_000), "x"), Error::TooLong { what: "metadata key", .. });
    for id in [13, 255, u32::MAX] {
        assert_refused!(Fixture::llama().raw("odd", id, &[0; 16]), Error::UnknownValueType { id: found, .. } if *found == id);
    }
    let elements = [&77_u32.to_le_bytes(), 1_u64.to_le_bytes().as_slice()].concat();
    assert_refused!(Fixture::llama().raw("odd", 9, &elements), Error::UnknownValueType { id: 77, .. });
}

#[test]
fn nesting_is_refused_at_the_first_level() {
    // A million levels, each an array of one array.
    let level = [&9_u32.to_le_bytes(), 1_u64.to_le_bytes().as_slice()].concat();
    assert_refused!(Fixture::llama().raw("deep", 9, &level.repeat(1_000_000)), Error::NestedArray { .. });
    assert_refused!(Fixture::llama().array("deep", ValueType::Array, u64::MAX, &[]), Error::NestedArray { .. });
}

#[test]
fn strings_that_are_not_utf8() {
    let bad = b"\xff\xfe";
    assert_refused!(Fixture::llama().raw(bad, 4, &[0; 4]), Error::NotUtf8 { what: "metadata key", .. });
    assert_refused!(Fixture::llama().text("general.author", bad), Error::NotUtf8 { what: "metadata string", .. });
    assert_refused!(Fixture::llama().raw_tensor(bad, &[1], 0, 0), Error::NotUtf8 { what: "tensor name", .. });
}

#[test]
fn names_in_errors_are_printable() {
    let error = refuse(&Fixture::llama().raw("\u{1b}[2J\u{202e}", 99, &[]));
    let shown = error.to_string();
    assert!(shown.contains(r"\u{1b}[2J\u{202e}") && !shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn alignments_no_file_can_have() {
    for alignment in [0, 3, 48, u32::MAX] {
        assert_refused!(Fixture::llama().u32("general.alignment", alignment), Error::Alignment { .. });
    }
    assert_refused!(Fixture::llama().text("general.alignment", "32"), Error::Alignment { .. });
    assert_refused!(Fixture::llama().raw("general.alignment", 10, &32_u64.to_le_bytes()), Error::Alignment { .. });
}

#[test]
fn shapes_and_types_that_cannot_be() {
    let with = |dims: &[u64], ty: u32| Fixture::default().raw_tensor("t", dims, ty, 0);
    assert_refused!(with(&[1; 5], 0), Error::Dimensions { found: 5, .. });
    for dims in [&[u64::MAX][..], &[1 << 32, 1 << 32], &[1 << 31, 1 << 31, 4], &[3, u64::MAX / 3 + 1], &[0, u64::MAX]] {
        assert_refused!(with(dims, 0), Error::ShapeOverflow { .. });
    }
    assert_refused!(with(&[i64::MAX as u64], GgmlType::F64 as u32), Error::ShapeOverflow { .. });
    for id in [4, 5, 31, 38, 43, u32::MAX] {
        assert_refused!(with(&[32], id), Error::UnknownTensorType { id: found, .. } if *found == id);
    }
    let partial = with(&[255], GgmlType::Q4_K as u32);
    assert_refused!(partial, Error::PartialBlock { row: 255, block: 256, ty: GgmlType::Q4_K, .. });
    let long = Fixture::default().raw_tensor("n".repeat(64), &[1], 0, 0);
    assert_refused!(long, Error::TooLong { what: "tensor name", .. });
}

#[test]
fn offsets_that_lie() {
    let with = |offset| Fixture::llama().raw_tensor("x.weight", &[32], 0, offset);
    let end = 256 * 3 * 2 + 256 * 4 + 256 * 256 / 256 * 144;
    assert_refused!(with(end + 1), Error::Unaligned { alignment: 32, .. });
    assert_refused!(with(0), Error::Overlap { .. });
    assert_refused!(with(end - 32), Error::Overlap { .. });
    assert_refused!(with(end + 32), Error::Gap { .. });
    assert_refused!(with(u64::MAX - 31), Error::Gap { .. });
    assert_refused!(with(u64::MAX), Error::Unaligned { .. });
    assert_refused!(with(end), Error::Truncated { expected, actual } if *expected == actual + 128);
    let largest = (i64::MAX as u64) / 4 * 4;
    let wraps = (0..4).fold(Fixture::default(), |fixture, n| {
        fixture.raw_tensor(format!("t{n}"), &[largest], GgmlType::I8 as u32, (largest + 28) / 32 * 32 * n)
    });
    assert_refused!(wraps, Error::ShapeOverflow { .. } | Error::Overlap { .. });
    assert_refused!(Fixture::llama().tensor("token_embd.weight", &[32], GgmlType::F32), Error::DuplicateTensor { .. });
}

#[test]
fn an_odd_but_whole_file_is_accepted() {
    let empty = Fixture::default();
    assert!(parse(&empty.bytes()).unwrap().tensors.is_empty());
    let scalar = Fixture::default().tensor("scalar", &[], GgmlType::F32).tensor("none", &[0, 4], GgmlType::Q4_K);
    let tensors = parse(&scalar.bytes()).unwrap().tensors;
    assert_eq!(tensors.iter().map(|tensor| (tensor.params, tensor.bytes)).collect::<Vec<_>>(), [(1, 4), (0, 0)]);
}

#[cfg(unix)]
#[test]
fn what_is_not_a_file_is_never_opened() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Header::read(folder.path()), Err(Error::NotAFile { kind: "a directory" })));
    assert!(matches!(Header::read("/dev/zero".as_ref()), Err(Error::NotAFile { kind: "a device" })));
    assert!(matches!(Header::read(&folder.path().join("none")), Err(Error::Io(_))));
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(matches!(Header::read(&socket), Err(Error::NotAFile { kind: "a socket" })));
    let fifo = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    assert!(matches!(Header::read(&fifo), Err(Error::NotAFile { kind: "a FIFO" })));
}

#[test]
fn a_file_that_shrinks_while_read_is_truncated() {
    let bytes = Fixture::llama().bytes();
    let error = Header::parse(&bytes[..100], bytes.len() as u64).unwrap_err();
    assert!(matches!(error, Error::Truncated { .. }), "{error:?}");
}

/// The longest headers and longer ones, as sparse files: all that is not written reads as zeros.
#[test]
fn long_headers_are_answered_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.gguf");
    let mega = 1_000_000;
    let keys = (0..16_384).fold(Fixture::default(), |fixture, n| fixture.text(&format!("k{n:03000}"), "v"));
    let tensors =
        (0..1 << 17).fold(Fixture::default(), |fixture, n| fixture.raw_tensor(format!("{n:063}"), &[0, 1, 1, 1], 0, 0));
    let two = ["a", "b"].iter().fold(Fixture::default(), |fixture, key| {
        let zeros = vec![0; if *key == "a" { 50_000_000 } else { 0 }];
        fixture.array(key, ValueType::U8, 50 * mega, &zeros)
    });
    let cases = [
        ("empty tokens", Fixture::default().array("tokenizer.ggml.tokens", ValueType::String, 8 * mega, &[])),
        ("numbers", Fixture::default().array("tokenizer.ggml.scores", ValueType::F32, 16 * mega, &[])),
        ("bytes", Fixture::default().array("a", ValueType::U8, 64 * mega, &[])),
        ("text", Fixture::default().raw("a", ValueType::String as u32, &(64 * mega).to_le_bytes())),
        ("keys", keys),
        ("tensors", tensors),
        ("long array", Fixture::default().array("a", ValueType::U8, 100 * mega, &[])),
        ("long text", Fixture::default().raw("a", ValueType::String as u32, &(100 * mega).to_le_bytes())),
        ("two arrays", two),
    ];
    for (what, fixture) in cases {
        std::fs::write(&path, fixture.header()).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(300 * mega).unwrap();
        let start = core_seconds();
        let outcome = Header::read(&path);
        let took = core_seconds() - start;
        assert!(took < 1.0, "{what}: {took} s");
        let past_the_limit = ["long array", "long text", "two arrays"].contains(&what);
        assert_eq!(outcome.is_err(), past_the_limit, "{what}: {:?}", outcome.err());
    }
}
