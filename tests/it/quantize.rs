//! Quantizing with llama-quantize's options: importance matrices of both formats, types by tensor, parts.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{
    resume::{cut, resume},
    support::{
        Bench, POCKET, Ran,
        gguf::{ARRAY, Gguf, TEXT, U32, array, string},
        skipped,
    },
};

/// What measures the least there is.
const LEAST: &str = "--quick --pp 8 --tg 0 --prompts none --no-quality --out out --keep kept";

/// A matrix for each matrix of the bundled model, whose columns matter more and more: by name, the values.
fn values() -> Vec<(String, Vec<f32>)> {
    let model = Gguf::pocket();
    let matrices = model.tensors.iter().filter(|tensor| tensor.dims.len() == 2);
    matrices
        .map(|tensor| {
            let columns = (0..tensor.dims[0]).map(|column| 0.25 + column as f32 / 64.0);
            (String::from_utf8(tensor.name.clone()).unwrap(), columns.collect())
        })
        .collect()
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// As llama-imatrix writes it.
fn matrix(entries: &[(String, Vec<f32>)]) -> Gguf {
    let empty = Gguf { keys: Vec::new(), tensors: Vec::new(), data: Vec::new(), ..Gguf::pocket() };
    let start = empty
        .with("general.type", TEXT, &string("imatrix"))
        .with("imatrix.datasets", ARRAY, &array(TEXT, 1, &string("texts/calib.txt")))
        .with("imatrix.chunk_count", U32, &7_u32.to_le_bytes())
        .with("imatrix.chunk_size", U32, &512_u32.to_le_bytes());
    let mut file = entries.iter().fold(start, |file, (name, values)| {
        file.and(&format!("{name}.in_sum2"), &[values.len() as u64, 1], 0, &bytes_of(values)).and(
            &format!("{name}.counts"),
            &[1, 1],
            0,
            &bytes_of(&[1.0]),
        )
    });
    // llama.cpp reads the padding behind the last one, too.
    file.data.resize(file.data.len().next_multiple_of(32), 0);
    file
}

/// The same in the older format.
fn older(entries: &[(String, Vec<f32>)]) -> Vec<u8> {
    let number = |n: usize| i32::try_from(n).unwrap().to_le_bytes().to_vec();
    let text = |text: &str| [number(text.len()), text.as_bytes().to_vec()].concat();
    let entry =
        |(name, values): &(String, Vec<f32>)| [text(name), number(1), number(values.len()), bytes_of(values)].concat();
    let all = entries.iter().flat_map(entry).collect();
    [number(entries.len()), all, number(7), text("texts/calib.txt")].concat()
}

#[test]
fn both_formats_of_an_importance_matrix_make_the_same_file_and_are_recorded() {
    let entries = values();
    let made = |name: &str, bytes: &[u8]| {
        let line = format!("sweep {{pocket}} --imatrix {name} --types IQ2_XXS {LEAST}");
        let ran = Bench::new(&line).file(name, bytes).run().ok();
        let file = fs::read(ran.folder.path().join("kept/pocket-4m-IQ2_XXS-imatrix.gguf")).unwrap();
        (file, ran)
    };
    let (new, ran) = made("i.new", &matrix(&entries).bytes());
    let (old, _) = made("i.old", &older(&entries));
    // The name of its file, as it was typed, is what they differ in.
    let at = new.windows(5).position(|five| five == b"i.new").expect("it is named");
    let same = [&new[..at], b"i.old", &new[at + 5..]].concat();
    assert!(same == old, "the older format gives the same weights");
    let says = |text: &[u8]| new.windows(text.len()).any(|part| part == text);
    assert!(
        says(b"quantize.imatrix.entries_count") && says(b"quantize.imatrix.chunks_count") && says(b"texts/calib.txt")
    );

    let run = ran.json("out/run.json");
    let candidate = &run["subjects"][1];
    assert_eq!(candidate["name"], "IQ2_XXS-imatrix");
    let used = &candidate["facts"]["recipe"]["imatrix"];
    assert_eq!(used["dataset"], "calib.txt", "by its name alone");
    assert_eq!((used["chunks"].as_u64(), used["entries"].as_u64()), (Some(7), Some(entries.len() as u64)));
    assert_eq!(used["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(run["subjects"][0]["facts"].get("recipe"), None, "nobody made the original");
    assert!(ran.read("out/report.html").contains("importance matrix of calib.txt, 7 chunks"));
    let at_types = |file: &[u8]| Gguf::of(file).tensors.iter().map(|tensor| tensor.ty).collect::<Vec<_>>();
    assert!(at_types(&new).contains(&IQ2_XXS));
}

/// ggml's number.
const IQ2_XXS: u32 = 16;
const Q6_K: u32 = 14;
const Q8_0: u32 = 8;
const Q4_K: u32 = 12;

#[test]
fn types_of_tensors_are_those_asked_for() {
    let line = format!(
        "sweep {{pocket}} --types Q4_K_M --pure --tensor-type FFN_down=q8_0 --token-embedding-type q6_k {LEAST}"
    );
    let ran = Bench::new(&line).run().ok();
    let name = "kept/pocket-4m-Q4_K_M-pure-token_embd=Q6_K-ffn_down=Q8_0.gguf";
    let made = Gguf::of(&fs::read(ran.folder.path().join(name)).unwrap());
    for tensor in made.tensors.iter().filter(|tensor| tensor.dims.len() == 2) {
        let name = String::from_utf8(tensor.name.clone()).unwrap();
        let expected = if name.contains("ffn_down") {
            Q8_0
        } else if name == "token_embd.weight" {
            Q6_K
        } else {
            Q4_K
        };
        assert_eq!(tensor.ty, expected, "{name}");
    }
    let recipe: &Value = &ran.json("out/run.json")["subjects"][1]["facts"]["recipe"];
    assert_eq!(recipe["pure"], true);
    assert_eq!(recipe["tensor_types"][0]["pattern"], "ffn_down");
    assert_eq!(recipe["token_embedding_type"], "Q6_K");
}

#[test]
fn a_split_original_can_stay_split() {
    let [first, second] = Gguf::pocket().split_in_two();
    let bench = Bench::new(&format!("sweep x-F16-00001-of-00002.gguf --types Q8_0 --keep-split {LEAST}"))
        .file("x-F16-00001-of-00002.gguf", &first)
        .file("x-F16-00002-of-00002.gguf", &second);
    let ran = bench.run().ok();
    let kept = ran.folder.path().join("kept");
    let mut made: Vec<_> = fs::read_dir(&kept).unwrap().map(|f| f.unwrap().file_name()).collect();
    made.sort();
    assert_eq!(made, ["x-Q8_0-00001-of-00002.gguf", "x-Q8_0-00002-of-00002.gguf"]);
    let candidate = &ran.json("out/run.json")["subjects"][1];
    assert_eq!((candidate["name"].as_str(), candidate["facts"]["parts"].as_u64()), (Some("Q8_0"), Some(2)));
    assert_eq!(candidate["facts"]["recipe"]["keep_split"], true);
}

#[test]
fn what_was_made_so_is_made_again_so() {
    let line = "sweep {pocket} --imatrix i.gguf --tensor-type attn_v=q8_0 --types IQ2_XXS --quick --pp 8 --tg 0 --prompts none \
                --no-quality --out out --quiet";
    let ran = Bench::new(line).file("i.gguf", &matrix(&values()).bytes()).run().ok();
    let hash = |ran: &Ran| ran.json("out/run.json")["subjects"][1]["facts"]["sha256"].clone();
    let before = hash(&ran);
    cut(&ran.folder, 3, "");
    let ran = resume(ran.folder).ok();
    assert_eq!(hash(&ran), before);
    // With another matrix it would be another file.
    let mut other = values();
    other[1].1.iter_mut().for_each(|value| *value = 1.0 / *value);
    cut(&ran.folder, 3, "");
    fs::write(ran.folder.path().join("i.gguf"), matrix(&other).bytes()).unwrap();
    let ran = resume(ran.folder);
    assert!(ran.code == 1 && ran.tells("(SHA-256)"), "{} {}", ran.code, ran.stderr);
}

#[test]
fn a_kept_file_of_other_bytes_is_not_replaced_unasked() {
    let made = |ran: &Ran| fs::read(ran.folder.path().join("kept/pocket-4m-Q4_K_M-imatrix.gguf")).unwrap();
    let line = format!("sweep {{pocket}} --imatrix i.gguf --types Q4_K_M {LEAST}");
    let ran = Bench::new(&line).file("i.gguf", &matrix(&values()).bytes()).run().ok();
    let first = made(&ran);
    // The same again is nothing new.
    let again = line.replace("--out out", "--out again");
    let ran = Bench::at(ran.folder, &again).run().ok();
    let mut other = values();
    for (_, values) in &mut other {
        values.reverse();
    }
    fs::write(ran.folder.path().join("i.gguf"), matrix(&other).bytes()).unwrap();
    let ran = Bench::at(ran.folder, &line.replace("--out out", "--out third")).run();
    let words =
        "is there, and what was made now has other bytes: choose another --keep folder, or replace it with --overwrite";
    assert!(ran.code == 5, "{} {}", ran.code, ran.stdout);
    assert!(ran.json("third/run.json")["subjects"][1]["outcome"]["failed"]["reason"].as_str().unwrap().contains(words));
    assert!(made(&ran) == first);
    let kept = fs::read_dir(ran.folder.path().join("kept")).unwrap().count();
    assert_eq!(kept, 1, "nothing half is left");
    let ran = Bench::at(ran.folder, &line.replace("--out out", "--out fourth --overwrite")).run().ok();
    assert!(made(&ran) != first);
}

#[test]
fn a_wrong_importance_matrix_ends_in_a_sentence_before_anything_is_made() {
    let entries = values();
    let renamed: Vec<_> = entries.iter().map(|(name, values)| (format!("other.{name}"), values.clone())).collect();
    let wider: Vec<_> =
        entries.iter().map(|(name, values)| (name.clone(), [values.clone(), values.clone()].concat())).collect();
    let whole = matrix(&entries).bytes();
    let mut hostile = older(&entries);
    hostile[4..8].copy_from_slice(&i32::MAX.to_le_bytes());
    let nowhere = matrix(&entries).entry("token_embd.weight.in_sum2", |tensor| tensor.dims[0] = u64::MAX / 8);
    for (bytes, words) in [
        (matrix(&renamed).bytes(), "it is of another model: none of its"),
        (matrix(&wider).bytes(), "it is of another model: its entry for"),
        (whole[..whole.len() / 2].to_vec(), "is no importance matrix that can be used: the file is truncated"),
        (older(&entries)[..3000].to_vec(), "it is neither GGUF nor llama-imatrix's older format, or it is cut short"),
        (hostile, "the name of entry 1 is 2147483647"),
        (nowhere.bytes(), "is no importance matrix that can be used"),
        (Gguf::pocket().bytes(), "it is a GGUF file without what llama-imatrix writes into one"),
        (b"some words".to_vec(), "neither GGUF nor"),
        (Vec::new(), "neither GGUF nor"),
    ] {
        let line = format!("sweep {{pocket}} --imatrix i.bin --types Q4_K_M {LEAST}");
        let ran = Bench::new(&line).file("i.bin", &bytes).run();
        assert!(ran.code == 1 && ran.tells(words), "{words}: {} {}", ran.code, ran.stderr);
        assert!(ran.tells("i.bin"), "{}", ran.stderr);
        assert!(!ran.folder.path().join("kept").exists() && !ran.folder.path().join("out").exists(), "{words}");
    }
    let ran = Bench::new(&format!("sweep {{pocket}} --imatrix none.gguf --types Q4_K_M {LEAST}")).run();
    assert!(ran.code == 1 && ran.tells("none.gguf is no importance matrix that can be used: it can't be read"));
}

#[test]
fn what_the_rules_can_not_do_is_said_before_anything_is_made() {
    for (options, words) in [
        ("--tensor-type nothing_of_it=Q8_0", "no tensor of the original has a name that \"nothing_of_it\" matches"),
        ("--tensor-type ffn_down=iq2_xxs", "needs an importance matrix: name one with --imatrix FILE"),
        // Two of a kind that only llama.cpp can tell: an expression without its end.
        ("--tensor-type ffn_(down=Q8_0", "can't be quantized to Q4_K_M so: "),
    ] {
        let ran = Bench::new(&format!("sweep {{pocket}} --types Q4_K_M {options} {LEAST}")).run();
        assert!(ran.code == 1 && ran.tells(words), "{options}: {} {}", ran.code, ran.stderr);
        assert!(!ran.folder.path().join("kept").exists(), "{options}");
    }
    let ran = Bench::new(&format!("sweep {{pocket}} --types Q4_K_M --tensor-type ffn_down=Q9 {LEAST}")).run();
    assert!(ran.code == 2 && ran.tells("no tensor can be quantized to \"Q9\""), "{}", ran.stderr);
}

#[test]
fn sizes_of_all_are_told_first() {
    let entries = values();
    let line =
        "sweep {pocket} --imatrix i.gguf --types IQ1_S,IQ2_XXS,IQ3_XXS,Q2_K_S --dry-run --prompts none --no-quality";
    let ran = Bench::new(line).file("i.gguf", &matrix(&entries).bytes()).run().ok();
    let told = ran.stdout.split_once("to be made of it: ").unwrap().1.lines().next().unwrap().to_owned();
    for ty in ["IQ1_S ", "IQ2_XXS ", "IQ3_XXS ", "Q2_K_S "] {
        let (_, rest) = told.split_once(ty).unwrap();
        assert!(rest.split(' ').nth(1).unwrap().starts_with("MiB"), "{told}");
    }
}

#[test]
fn llama_quantize_makes_the_same_bytes() {
    let Some(program) = std::env::var_os("LLAMA_QUANTIZE") else {
        return skipped(
            "LLAMA_QUANTIZE names no llama-quantize of the same llama.cpp: its files were not held against ours",
        );
    };
    let entries = values();
    for (ty, options, suffix) in [
        ("IQ2_XXS", "--imatrix i.gguf", "-imatrix"),
        ("IQ1_M", "--imatrix i.dat", "-imatrix"),
        ("Q4_K_M", "--imatrix i.dat", "-imatrix"),
        ("Q4_K_M", "--pure", "-pure"),
        ("Q3_K_L", "--tensor-type attn_v=q8_0 --token-embedding-type q6_k", "-token_embd=Q6_K-attn_v=Q8_0"),
        ("Q5_K_M", "", ""),
    ] {
        let bench = Bench::new(&format!("sweep {{pocket}} --types {ty} {options} {LEAST}"))
            .file("i.gguf", &matrix(&entries).bytes())
            .file("i.dat", &older(&entries));
        let mut stock = Command::new(&program);
        stock.args(options.split_whitespace()).args([POCKET, "stock.gguf", ty, "1"]).current_dir(bench.folder.path());
        let stock = stock.output().unwrap();
        assert!(stock.status.success(), "{ty} {options}: {}", String::from_utf8_lossy(&stock.stderr));
        let folder = bench.run().ok().folder;
        let ours = fs::read(folder.path().join(format!("kept/pocket-4m-{ty}{suffix}.gguf"))).unwrap();
        assert!(ours == fs::read(folder.path().join("stock.gguf")).unwrap(), "{ty} {options}");
    }
}
