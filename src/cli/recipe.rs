//! llama-quantize's options: as they are typed, as they are checked against an original, and as a worker is told them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    engine::{ImatrixData, QuantizeOptions},
    gguf::{GgmlType, ImportanceMatrix, Model, Tensor},
    models,
    record::{ImatrixUsed, QuantizeRecipe, TensorTypeRule},
    text::printable,
};

/// How to quantize, beyond a type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Quantizing, as llama-quantize does")]
pub(super) struct RecipeArgs {
    /// Importance matrix for all types, as llama-imatrix writes it: GGUF, or its older .dat
    #[arg(long, value_name = "FILE")]
    imatrix: Option<PathBuf>,
    /// Quantize all tensors to the type itself, none to a larger one
    #[arg(long)]
    pure: bool,
    /// Quantize tensors whose name matches a regular expression to another type; may be given again, and the first that matches counts
    #[arg(long, value_name = "PATTERN=TYPE", value_parser = tensor_type)]
    tensor_type: Vec<TensorTypeRule>,
    /// Type of the output tensor
    #[arg(long, value_name = "TYPE", value_parser = type_name)]
    output_tensor_type: Option<String>,
    /// Type of the token embeddings
    #[arg(long, value_name = "TYPE", value_parser = type_name)]
    token_embedding_type: Option<String>,
    /// Make as many parts as the original has
    #[arg(long)]
    pub(super) keep_split: bool,
    /// What the importance matrix is called in what is made with it.
    #[arg(long, hide = true, requires = "imatrix")]
    imatrix_as: Option<String>,
}

/// A type by ggml's name, in any case.
fn type_name(text: &str) -> Result<String, String> {
    GgmlType::quantizable(text).map(|ty| ty.to_string()).ok_or_else(|| {
        let names: Vec<String> = GgmlType::all_quantizable().map(|ty| ty.to_string()).collect();
        format!("no tensor can be quantized to {text:?}; the types are {}", names.join(", "))
    })
}

/// As llama-quantize reads it: the name up to the first `=`, in small letters.
fn tensor_type(text: &str) -> Result<TensorTypeRule, String> {
    match text.split_once('=') {
        Some((pattern, ty)) if !pattern.is_empty() => {
            Ok(TensorTypeRule { pattern: pattern.to_ascii_lowercase(), ggml_type: type_name(ty)? })
        }
        _ => Err("write PATTERN=TYPE, such as ffn_down=Q6_K".into()),
    }
}

/// What of an importance matrix goes into a record: by name and hash, never by a local path.
fn used(path: &Path, matrix: &ImportanceMatrix) -> Result<ImatrixUsed> {
    Ok(ImatrixUsed {
        sha256: models::sha256(&[path.to_owned()], None, &mut |_| {})?,
        dataset: matrix.dataset.as_deref().map(|name| printable(file_name(name))),
        chunks: matrix.chunks,
        entries: u32::try_from(matrix.entries.len()).unwrap_or(u32::MAX),
    })
}

/// The last part of a path of any system.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(path)
}

impl RecipeArgs {
    pub(super) fn has_imatrix(&self) -> bool {
        self.imatrix.is_some()
    }

    /// Whether tensors are given types of their own.
    pub(super) fn has_rules(&self) -> bool {
        !self.tensor_type.is_empty() || self.output_tensor_type.is_some() || self.token_embedding_type.is_some()
    }

    /// For a worker that may be started in another folder.
    pub(super) fn absolute(mut self) -> Self {
        if let Some(path) = &self.imatrix {
            self.imatrix_as = Some(self.imatrix_name(path));
            self.imatrix = std::path::absolute(path).ok().or(self.imatrix);
        }
        self
    }

    fn imatrix_name(&self, path: &Path) -> String {
        self.imatrix_as.clone().unwrap_or_else(|| path.to_string_lossy().into_owned())
    }

    fn matrix(&self) -> Result<Option<(&Path, ImportanceMatrix)>> {
        let Some(path) = self.imatrix.as_deref() else { return Ok(None) };
        let matrix = ImportanceMatrix::read(path)
            .with_context(|| format!("{} is no importance matrix that can be used", path.display()))?;
        Ok(Some((path, matrix)))
    }

    /// What is recorded of it, once it is known to fit the original, where that is here; `None` where nothing but a type is asked for.
    pub(super) fn check(&self, original: Option<&Model>) -> Result<Option<QuantizeRecipe>> {
        let Self { imatrix: _, pure, tensor_type, output_tensor_type, token_embedding_type, keep_split, imatrix_as: _ } =
            self;
        let mut imatrix = None;
        if let Some((path, matrix)) = self.matrix()? {
            if let Some(model) = original {
                matrix.check(model).with_context(|| format!("{} can't be used for this original", path.display()))?;
            }
            imatrix = Some(used(path, &matrix)?);
        }
        if let Some(model) = original {
            self.check_rules(model)?;
            self.check_rows(model)?;
        }
        let recipe = QuantizeRecipe {
            imatrix,
            pure: *pure,
            tensor_types: tensor_type.clone(),
            output_tensor_type: output_tensor_type.clone(),
            token_embedding_type: token_embedding_type.clone(),
            keep_split: *keep_split,
        };
        Ok((recipe != QuantizeRecipe::default()).then_some(recipe))
    }

    /// A pattern that matches nothing would be in the file's name and not in the file.
    fn check_rules(&self, model: &Model) -> Result<()> {
        for rule in &self.tensor_type {
            // llama.cpp's expressions know a little more than these: what can't be read here is left to it.
            let Ok(pattern) = regex_lite::Regex::new(&rule.pattern) else { continue };
            let mut names = model.parts().flat_map(|part| &part.header.tensors).map(|tensor| &*tensor.name);
            if !names.any(|name| pattern.is_match(name)) {
                bail!("--tensor-type {rule}: no tensor of the original has a name that {:?} matches", rule.pattern);
            }
        }
        Ok(())
    }

    /// Where these two are set llama.cpp does not look for a type that the rows fill, but aborts.
    fn check_rows(&self, model: &Model) -> Result<()> {
        let set = [
            ("--output-tensor-type", "output.weight", &self.output_tensor_type),
            ("--token-embedding-type", "token_embd.weight", &self.token_embedding_type),
        ];
        for (option, name, ty) in set {
            let Some(ty) = ty.as_deref().and_then(GgmlType::quantizable) else { continue };
            let tensor = model.parts().flat_map(|part| &part.header.tensors).find(|tensor| tensor.name == name);
            let (block, _) = ty.block();
            if let Some(row) = tensor.map(Tensor::row).filter(|row| !row.is_multiple_of(block)) {
                bail!(
                    "{option} {ty}: rows of {row} do not fill its blocks of {block}; take a type of smaller blocks, such as Q8_0"
                );
            }
        }
        Ok(())
    }

    /// The words of a command line that say the same.
    pub(super) fn words(&self) -> Vec<String> {
        let Self { imatrix, pure, tensor_type, output_tensor_type, token_embedding_type, keep_split, imatrix_as } =
            self;
        let mut words = Vec::new();
        // In one word each: a pattern may begin with a dash.
        words.extend(imatrix.iter().map(|path| format!("--imatrix={}", path.display())));
        words.extend(imatrix_as.iter().map(|name| format!("--imatrix-as={name}")));
        words.extend(tensor_type.iter().map(|rule| format!("--tensor-type={rule}")));
        words.extend(output_tensor_type.iter().map(|ty| format!("--output-tensor-type={ty}")));
        words.extend(token_embedding_type.iter().map(|ty| format!("--token-embedding-type={ty}")));
        words.extend(pure.then(|| "--pure".into()));
        words.extend(keep_split.then(|| "--keep-split".into()));
        words
    }

    /// What a file made so has behind its type in its name: `-imatrix-pure-ffn_down=Q6_K`.
    pub(super) fn name_suffix(&self) -> String {
        let Self { imatrix, pure, tensor_type, output_tensor_type, token_embedding_type, keep_split: _, imatrix_as: _ } =
            self;
        let mut words: Vec<String> = Vec::new();
        words.extend(imatrix.is_some().then(|| "imatrix".into()));
        words.extend(pure.then(|| "pure".into()));
        words.extend(output_tensor_type.iter().map(|ty| format!("output={ty}")));
        words.extend(token_embedding_type.iter().map(|ty| format!("token_embd={ty}")));
        words.extend(tensor_type.iter().map(ToString::to_string));
        let exact: String = words.iter().flat_map(|word| ["-", word.as_str()]).collect();
        let plain: String =
            exact.chars().map(|c| if c.is_ascii_alphanumeric() || "-_=.".contains(c) { c } else { '_' }).collect();
        if plain == exact && plain.len() <= LONGEST_SUFFIX {
            return plain;
        }
        // What was lost must not make two recipes one.
        let hash = base16ct::lower::encode_string(&Sha256::digest(exact.as_bytes())[..4]);
        format!("{}-{hash}", &plain[..plain.len().min(LONGEST_SUFFIX)])
    }

    /// Gives llama.cpp's options, complete, to `run`.
    pub(super) fn with_options<T>(
        &self,
        plain: QuantizeOptions<'_>,
        run: impl FnOnce(&QuantizeOptions<'_>) -> Result<T>,
    ) -> Result<T> {
        let Self { imatrix: _, pure, tensor_type, output_tensor_type, token_embedding_type, keep_split, imatrix_as: _ } =
            self;
        let id = |name: &str| {
            GgmlType::quantizable(name)
                .map(|ty| ty as u32)
                .ok_or_else(|| anyhow!("no tensor can be quantized to {name:?}"))
        };
        let tensor_types = tensor_type
            .iter()
            .map(|rule| Ok((rule.pattern.clone(), id(&rule.ggml_type)?)))
            .collect::<Result<Vec<_>>>()?;
        let matrix = self.matrix()?;
        let entries: Vec<(&str, &[f32])> = matrix
            .iter()
            .flat_map(|(_, matrix)| &matrix.entries)
            .map(|(name, values)| (name.as_str(), values.as_slice()))
            .collect();
        let file = matrix.as_ref().map(|(path, _)| self.imatrix_name(path)).unwrap_or_default();
        let imatrix = matrix.as_ref().map(|(_, matrix)| ImatrixData {
            file: &file,
            dataset: matrix.dataset.as_deref(),
            chunks: matrix.chunks,
            entries: &entries,
        });
        run(&QuantizeOptions {
            pure: *pure,
            keep_split: *keep_split,
            output_tensor_type: output_tensor_type.as_deref().map(id).transpose()?,
            token_embedding_type: token_embedding_type.as_deref().map(id).transpose()?,
            tensor_types: &tensor_types,
            imatrix,
            ..plain
        })
    }
}

/// Most bytes of a name behind its type: a file's name holds 255.
const LONGEST_SUFFIX: usize = 80;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        recipe: RecipeArgs,
    }

    fn typed(words: &str) -> Result<RecipeArgs, String> {
        let line = std::iter::once("sweep").chain(words.split_whitespace());
        Line::try_parse_from(line).map(|line| line.recipe).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_llama_quantizes() {
        let recipe = typed(
            "--imatrix i.gguf --pure --tensor-type FFN_Down=q6_k --tensor-type -x=a=F16 --output-tensor-type q8_0 \
             --token-embedding-type iq4_nl --keep-split",
        );
        // A type ends the rule, so the second is none.
        assert!(recipe.is_err());
        let recipe =
            typed("--imatrix i.gguf --pure --tensor-type FFN_Down=q6_k --output-tensor-type q8_0 --keep-split")
                .unwrap();
        assert_eq!(recipe.tensor_type[0].to_string(), "ffn_down=Q6_K");
        assert_eq!(recipe.name_suffix(), "-imatrix-pure-output=Q8_0-ffn_down=Q6_K");
        for (wrong, words) in [
            ("--tensor-type ffn_down", "write PATTERN=TYPE"),
            ("--tensor-type =Q8_0", "write PATTERN=TYPE"),
            ("--tensor-type a=Q9", "no tensor can be quantized to \"Q9\""),
            ("--output-tensor-type Q8_K", "no tensor can be quantized to"),
            ("--output-tensor-type Q4_K_M", "no tensor can be quantized to"),
        ] {
            let said = typed(wrong).unwrap_err();
            assert!(said.contains(words), "{wrong}: {said}");
        }
    }

    #[test]
    fn a_worker_is_told_the_same() {
        let recipe =
            typed("--imatrix a/i.gguf --tensor-type=-ffn(_up|_down)=Q6_K --token-embedding-type Q8_0 --pure").unwrap();
        let again = typed(&recipe.clone().absolute().words().join(" ")).unwrap();
        assert_eq!(again, recipe.absolute());
        assert_eq!(again.imatrix_as.as_deref(), Some("a/i.gguf"), "it is called as it was typed");
        assert_eq!(typed("").unwrap(), RecipeArgs::default());
    }

    #[test]
    fn patterns_that_no_file_name_holds_stay_apart() {
        let suffix = |rule: &str| typed(&format!("--tensor-type {rule}=Q6_K")).unwrap().name_suffix();
        let (one, other) = (suffix(r"blk\.0\.ffn"), suffix(r"blk/0/ffn"));
        assert!(one.starts_with("-blk_.0_.ffn=Q6_K-") && one != other, "{one} {other}");
        assert!(suffix(&"x".repeat(300)).len() < 100);
    }

    #[test]
    fn a_text_is_called_by_its_file() {
        assert_eq!(file_name("/home/person/calib.txt"), "calib.txt");
        assert_eq!(file_name(r"C:\texts\calib.txt"), "calib.txt");
        assert_eq!(file_name("calib.txt"), "calib.txt");
    }
}
