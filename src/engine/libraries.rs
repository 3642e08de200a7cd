//! The libraries of a portable build: llama.cpp's backends, one for each kind of CPU, of which it takes the fastest that runs here.

use std::{env, path::Path, sync::Once};

use llama_cpp_2::{
    list_llama_ggml_backend_devices,
    llama_backend::{load_backends, load_backends_from_path},
};

/// Loads those beside the program, as they are released, or else those of the folder that they were built in.
pub(super) fn load() {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let program = env::current_exe().and_then(|path| path.canonicalize());
        if let Some(folder) = program.as_deref().ok().and_then(Path::parent).filter(|folder| folder.to_str().is_some())
        {
            load_backends_from_path(folder);
        }
        if list_llama_ggml_backend_devices().is_empty() {
            load_backends();
        }
    });
}
