//! The only unsafe code: llama.cpp's calls that llama-cpp-2 does not wrap.
#![expect(unsafe_code, reason = "calls into C")]

use std::{
    ffi::{CStr, CString},
    ops::{Deref, DerefMut},
    rc::Rc,
};

use llama_cpp_2::{
    LlamaContextLoadError,
    context::{LlamaContext, params::LlamaContextParams},
    llama_backend::LlamaBackend,
    model::LlamaModel,
};
use llama_cpp_sys_2 as sys;

/// What llama.cpp says it was compiled to use.
pub(super) fn system_info() -> String {
    // SAFETY: returns a pointer to a static, NUL-terminated string that is only rewritten by the next call.
    let text = unsafe { CStr::from_ptr(sys::llama_print_system_info()) };
    text.to_string_lossy().into_owned()
}

/// Where on the PCI bus a device of ggml's list is; `None` when its backend does not say.
pub(super) fn device_pci_id(index: usize) -> Option<String> {
    // SAFETY: only asks how long the list is.
    if index >= unsafe { sys::ggml_backend_dev_count() } {
        return None;
    }
    // SAFETY: the index lies within the list, whose devices live as long as the process. Every field of the properties may be zero, and
    // the call fills them.
    let properties = unsafe {
        let device = sys::ggml_backend_dev_get(index);
        let mut properties = std::mem::zeroed::<sys::ggml_backend_dev_props>();
        sys::ggml_backend_dev_get_props(device, &raw mut properties);
        properties
    };
    if properties.device_id.is_null() {
        return None;
    }
    // SAFETY: not null, so a NUL-terminated string that belongs to the device.
    let id = unsafe { CStr::from_ptr(properties.device_id) };
    Some(id.to_string_lossy().into_owned())
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

/// A context that keeps its model alive, so that both can be handed on together.
pub(super) struct OwningContext {
    // Fields are dropped in order: the context before what it points to.
    context: LlamaContext<'static>,
    model: Rc<LlamaModel>,
}

impl OwningContext {
    pub(super) fn new(
        model: &Rc<LlamaModel>,
        backend: &LlamaBackend,
        params: LlamaContextParams,
    ) -> Result<Self, LlamaContextLoadError> {
        let context = model.new_context(backend, params)?;
        // SAFETY: the lifetime says that the model outlives the context. `model` below sees to that: it is never exchanged, it is dropped
        // after the context, and moving it does not move the model. No file of this folder takes the context out of here.
        let context = unsafe { std::mem::transmute::<LlamaContext<'_>, LlamaContext<'static>>(context) };
        Ok(Self { context, model: Rc::clone(model) })
    }

    pub(super) fn model(&self) -> &LlamaModel {
        &self.model
    }
}

impl Deref for OwningContext {
    type Target = LlamaContext<'static>;

    fn deref(&self) -> &Self::Target {
        &self.context
    }
}

impl DerefMut for OwningContext {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.context
    }
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
