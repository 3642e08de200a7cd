//! The only unsafe code: llama.cpp's calls that llama-cpp-2 does not wrap.
#![expect(unsafe_code, reason = "calls into C")]

use std::{
    ffi::{CStr, CString, c_char, c_void},
    ops::{Deref, DerefMut},
    ptr::NonNull,
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

/// ggml's RPC, by whose name its functions are found: the bindings have none of them.
fn rpc_function(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: the name is NUL-terminated; the registry lives as long as the process. Null is RPC that was not built in.
    let registry = unsafe { sys::ggml_backend_reg_by_name(c"RPC".as_ptr()) };
    if registry.is_null() {
        return None;
    }
    // SAFETY: the registry is not null, and the name is NUL-terminated.
    NonNull::new(unsafe { sys::ggml_backend_reg_get_proc_address(registry, name.as_ptr()) })
}

/// Makes the devices of an RPC server known to ggml; `None` when RPC was not built in. ggml aborts the process when there is no such server:
/// whoever calls has talked to it before.
pub(super) fn add_rpc_server(endpoint: &CStr) -> Option<()> {
    let found = rpc_function(c"ggml_backend_rpc_add_server")?;
    // SAFETY: ggml-rpc.h declares the function of this name so.
    let add = unsafe {
        std::mem::transmute::<NonNull<c_void>, extern "C" fn(*const c_char) -> sys::ggml_backend_reg_t>(found)
    };
    // SAFETY: a registry of ggml's or null, which it passes over.
    unsafe { sys::ggml_backend_register(add(endpoint.as_ptr())) };
    Some(())
}

/// Why there is no RPC server.
pub(super) enum NotServed {
    NotBuiltIn,
    /// No device has this name.
    NoDevice(String),
    /// It came to an end, which is in what it printed.
    Ended,
}

/// Serves devices to one client after another, by ggml's own server, and only returns when that fails.
pub(super) fn serve_rpc(endpoint: &CStr, n_threads: usize, devices: &[CString]) -> NotServed {
    type Start = extern "C" fn(*const c_char, *const c_char, usize, usize, *mut sys::ggml_backend_dev_t);
    let Some(found) = rpc_function(c"ggml_backend_rpc_start_server") else { return NotServed::NotBuiltIn };
    let mut handles = Vec::new();
    for name in devices {
        // SAFETY: the name is NUL-terminated; devices live as long as the process.
        let device = unsafe { sys::ggml_backend_dev_by_name(name.as_ptr()) };
        if device.is_null() {
            return NotServed::NoDevice(name.to_string_lossy().into_owned());
        }
        handles.push(device);
    }
    // SAFETY: ggml-rpc.h declares the function of this name so.
    let start = unsafe { std::mem::transmute::<NonNull<c_void>, Start>(found) };
    start(endpoint.as_ptr(), std::ptr::null(), n_threads, handles.len(), handles.as_mut_ptr());
    NotServed::Ended
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
