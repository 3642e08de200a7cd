//! The only unsafe code: llama.cpp's calls that llama-cpp-2 does not wrap.
#![expect(unsafe_code, reason = "calls into C")]

use std::ffi::{CStr, CString};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_sys_2 as sys;

/// What llama.cpp says it was compiled to use.
pub(super) fn system_info() -> String {
    // SAFETY: returns a pointer to a static, NUL-terminated string that is only rewritten by the next call.
    let text = unsafe { CStr::from_ptr(sys::llama_print_system_info()) };
    text.to_string_lossy().into_owned()
}

/// Quantizes a file into another; `false` when llama.cpp could not, which is in its log.
pub(super) fn quantize(
    input: &CStr,
    output: &CStr,
    ftype: sys::llama_ftype,
    n_threads: i32,
    allow_requantize: bool,
) -> bool {
    // SAFETY: plain data returned by value.
    let mut params = unsafe { sys::llama_model_quantize_default_params() };
    params.ftype = ftype;
    params.nthread = n_threads;
    params.allow_requantize = allow_requantize;
    // SAFETY: both paths are NUL-terminated and live through the call; `params` holds no dangling pointer.
    unsafe { sys::llama_model_quantize(input.as_ptr(), output.as_ptr(), &raw const params) == 0 }
}

/// The logits of all `rows` outputs of the last batch, given those of the first.
///
/// # Panics
/// When the batch has no output.
pub(super) fn all_logits<'c>(context: &'c LlamaContext<'_>, rows: usize) -> &'c [f32] {
    let first = context.get_logits();
    // SAFETY: llama.h: the rows of all outputs are stored contiguously, [n_outputs, n_vocab], and live until the next
    // decode, which needs the context mutably; `rows` is the number of outputs the caller asked of the last batch.
    unsafe { std::slice::from_raw_parts(first.as_ptr(), first.len() * rows) }
}

/// A path as C wants it; `None` when it holds a NUL or is not UTF-8.
pub(super) fn c_path(path: &std::path::Path) -> Option<CString> {
    CString::new(path.to_str()?).ok()
}
