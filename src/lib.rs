//! gguf-bench
