//! The only unsafe code: llama.cpp's calls that llama-cpp-2 does not wrap.
#![expect(unsafe_code, reason = "calls into C")]

use std::{
    ffi::{CStr, CString, c_char, c_void},
    io::Write,
    ops::{Deref, DerefMut},
    ptr::{self, NonNull},
    rc::Rc,
    sync::OnceLock,
};

use llama_cpp_2::{
    LlamaContextLoadError,
    context::{LlamaContext, params::LlamaContextParams},
    llama_backend::LlamaBackend,
    model::LlamaModel,
};
use llama_cpp_sys_2 as sys;

/// Lines of llama.cpp's log go to stderr as before, those that it gives as errors or as warnings each behind its mark. For the life of the
/// process; the first call counts.
pub(crate) fn mark_log(marks: LogMarks) {
    let _ = MARKS.set(marks);
    // SAFETY: the function takes no data of ours, and is there as long as the process.
    unsafe { sys::llama_log_set(Some(log), ptr::null_mut()) }
}

/// What stands before lines of llama.cpp's log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogMarks {
    pub(crate) error: &'static str,
    pub(crate) warning: &'static str,
}

static MARKS: OnceLock<LogMarks> = OnceLock::new();

/// # Safety
/// `text` is null or NUL-terminated, as llama.cpp gives it.
unsafe extern "C" fn log(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    let Some(marks) = MARKS.get().filter(|_| !text.is_null()) else { return };
    // SAFETY: not null, so a NUL-terminated string that lives through the call.
    let text = unsafe { CStr::from_ptr(text) }.to_bytes();
    let mark = match level {
        sys::GGML_LOG_LEVEL_ERROR => marks.error,
        sys::GGML_LOG_LEVEL_WARN => marks.warning,
        _ => "",
    };
    let mut log = std::io::stderr().lock();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        // A log that can't be written is no reason to stop.
        if line != b"\n" {
            let _ = log.write_all(mark.as_bytes());
        }
        let _ = log.write_all(line);
    }
}

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
    start(endpoint.as_ptr(), ptr::null(), n_threads, handles.len(), handles.as_mut_ptr());
    NotServed::Ended
}

/// Where a machine has several memory nodes, spreads threads and pages over them; once for the life of a process.
pub(super) fn spread_over_nodes(strategy: sys::ggml_numa_strategy) {
    // SAFETY: llama.cpp was started, and only reads and sets its own account of nodes; a second call does nothing.
    unsafe { sys::llama_numa_init(strategy) };
}

/// A kind of memory that tensors can lie in.
#[derive(Debug, Clone, Copy)]
pub(super) struct BufferType(sys::ggml_backend_buffer_type_t);

impl BufferType {
    /// The CPU's.
    pub(super) fn cpu() -> Self {
        // SAFETY: returns a pointer to a static.
        Self(unsafe { sys::ggml_backend_cpu_buffer_type() })
    }

    /// Those of all devices, by name.
    pub(super) fn all() -> Vec<(String, Self)> {
        // SAFETY: every index lies within the list, whose devices and buffer types live as long as the process; the name is a
        // NUL-terminated string that belongs to its buffer type.
        let of = |index| unsafe {
            let buffer = sys::ggml_backend_dev_buffer_type(sys::ggml_backend_dev_get(index));
            let name = (!buffer.is_null()).then(|| CStr::from_ptr(sys::ggml_backend_buft_name(buffer)))?;
            Some((name.to_string_lossy().into_owned(), Self(buffer)))
        };
        // SAFETY: only asks how long the list is.
        (0..unsafe { sys::ggml_backend_dev_count() }).filter_map(of).collect()
    }
}

/// How a model is loaded. Whatever C reads by pointer is owned here, so that it lives through the load.
#[derive(Debug)]
pub(super) struct ModelParams {
    /// Indices into ggml's list; `None` leaves the choice to llama.cpp.
    pub(super) devices: Option<Vec<usize>>,
    /// Patterns of tensor names, and where those lie.
    pub(super) overrides: Vec<(CString, BufferType)>,
    pub(super) n_gpu_layers: i32,
    pub(super) split_mode: sys::llama_split_mode,
    pub(super) main_gpu: i32,
    /// At most as many as llama.cpp knows devices.
    pub(super) tensor_split: Vec<f32>,
    pub(super) load_mode: sys::llama_load_mode,
    pub(super) lazy_mode: sys::llama_lazy_mode,
    pub(super) no_host: bool,
    pub(super) repack: bool,
    /// Layers are fitted to the memory that is free.
    pub(super) fit: Option<Fit>,
}

/// To what layers are fitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    /// Bytes of each device that stay free.
    pub(super) margin_bytes: usize,
    /// The context the memory is to hold, and the least one.
    pub(super) n_ctx: u32,
    pub(super) n_ctx_min: u32,
    pub(super) n_batch: u32,
    pub(super) n_ubatch: u32,
    pub(super) offload_kqv: bool,
}

/// The most devices that a model is split over.
pub(super) fn most_devices() -> usize {
    // SAFETY: returns a constant.
    unsafe { sys::llama_max_devices() }
}

// A model is one pointer, whoever looks: the crate promises nothing, so a version that changes it must not compile.
const _: () = assert!(size_of::<LlamaModel>() == size_of::<*mut sys::llama_model>());

/// Loads a model; `None` when llama.cpp could not, which is in its log. The safe layer can't set half of these.
pub(super) fn load_model(path: &CStr, params: &ModelParams) -> Option<LlamaModel> {
    let ModelParams {
        devices,
        overrides,
        n_gpu_layers,
        split_mode,
        main_gpu,
        tensor_split,
        load_mode,
        lazy_mode,
        no_host,
        repack,
        fit,
    } = params;
    // SAFETY: every index lies within ggml's list, whose devices live as long as the process.
    let device = |&index: &usize| unsafe { sys::ggml_backend_dev_get(index) };
    // SAFETY: only asks how long the list is.
    let n_devices = unsafe { sys::ggml_backend_dev_count() };
    let mut devices: Option<Vec<sys::ggml_backend_dev_t>> = devices.as_ref().map(|devices| {
        devices.iter().filter(|&&index| index < n_devices).map(device).chain([ptr::null_mut()]).collect()
    });
    let none = sys::llama_model_tensor_buft_override { pattern: ptr::null(), buft: ptr::null_mut() };
    let own = |(pattern, buffer): &(CString, BufferType)| sys::llama_model_tensor_buft_override {
        pattern: pattern.as_ptr(),
        buft: buffer.0,
    };
    let mut overrides: Vec<_> = overrides.iter().map(own).chain([none]).collect();
    // It is read over all devices that there might be.
    let mut shares = vec![0.0_f32; most_devices()];
    shares.iter_mut().zip(tensor_split).for_each(|(share, own)| *share = *own);
    // SAFETY: plain data returned by value.
    let mut raw = unsafe { sys::llama_model_default_params() };
    if let Some(devices) = &mut devices {
        raw.devices = devices.as_mut_ptr();
    }
    raw.n_gpu_layers = *n_gpu_layers;
    raw.split_mode = *split_mode;
    raw.main_gpu = *main_gpu;
    raw.load_mode = *load_mode;
    raw.lazy_mode = *lazy_mode;
    raw.no_host = *no_host;
    raw.use_extra_bufts = *repack;
    if let Some(fit) = fit {
        // A fit decides on layers, shares and overrides itself, and refuses where they were set.
        (overrides, shares) = fitted(path, &mut raw, fit);
    }
    raw.tensor_split = shares.as_ptr();
    raw.tensor_buft_overrides = if overrides.len() > 1 { overrides.as_ptr() } else { ptr::null() };
    // SAFETY: the path is NUL-terminated. What the parameters point to, `devices`, `shares` and `overrides` with their patterns, lives
    // until the load has returned, which copies the shares and keeps nothing else of it.
    let model = unsafe { sys::llama_model_load_from_file(path.as_ptr(), raw) };
    // SAFETY: by the assertion above a model is this pointer and nothing else, and whoever has it frees it once.
    NonNull::new(model).map(|model| unsafe { std::mem::transmute::<NonNull<sys::llama_model>, LlamaModel>(model) })
}

/// What llama.cpp calls a model: its architecture, its size and its type.
pub(super) fn description(model: &LlamaModel) -> Option<String> {
    // SAFETY: by the assertion above a model is this pointer and nothing else.
    let raw = unsafe { *std::ptr::from_ref(model).cast::<*const sys::llama_model>() };
    let mut text = [0_u8; 256];
    // SAFETY: the model is loaded, and at most as many bytes are written as there are, a NUL among them.
    let n = unsafe { sys::llama_model_desc(raw, text.as_mut_ptr().cast(), text.len()) };
    let text = CStr::from_bytes_until_nul(&text).ok().filter(|_| n > 0)?;
    Some(text.to_string_lossy().into_owned())
}

/// Whether a model reads a text by an encoder.
pub(super) fn has_encoder(model: &LlamaModel) -> bool {
    // SAFETY: by the assertion above a model is this pointer and nothing else.
    let raw = unsafe { *std::ptr::from_ref(model).cast::<*const sys::llama_model>() };
    // SAFETY: the model is loaded, and only asked what it is.
    unsafe { sys::llama_model_has_encoder(raw) }
}

/// Fits layers to the memory that is free: changes their number, and returns overrides, ended by an empty one, and shares.
fn fitted(
    path: &CStr,
    raw: &mut sys::llama_model_params,
    fit: &Fit,
) -> (Vec<sys::llama_model_tensor_buft_override>, Vec<f32>) {
    let &Fit { margin_bytes, n_ctx, n_ctx_min, n_batch, n_ubatch, offload_kqv } = fit;
    // SAFETY: plain data returned by value, and a constant.
    let (usual, mut context, most) = unsafe {
        (sys::llama_model_default_params(), sys::llama_context_default_params(), sys::llama_max_tensor_buft_overrides())
    };
    raw.n_gpu_layers = usual.n_gpu_layers;
    context.n_ctx = n_ctx;
    context.n_batch = n_batch;
    context.n_ubatch = n_ubatch;
    context.offload_kqv = offload_kqv;
    let mut shares = vec![0.0_f32; most_devices()];
    let none = sys::llama_model_tensor_buft_override { pattern: ptr::null(), buft: ptr::null_mut() };
    let mut overrides = vec![none; most + 1];
    let mut margins = vec![margin_bytes; most_devices()];
    (raw.tensor_split, raw.tensor_buft_overrides) = (shares.as_ptr(), overrides.as_ptr());
    // SAFETY: the buffers are as long as the call takes them to be: shares and margins one for each device, overrides one more than it
    // writes. It loads without allocating, on this thread alone, and keeps no pointer. Patterns it sets are static or kept by it.
    let fits = unsafe {
        sys::llama_rs_fit_params(
            path.as_ptr(),
            raw,
            &raw mut context,
            shares.as_mut_ptr(),
            overrides.as_mut_ptr(),
            margins.as_mut_ptr(),
            n_ctx_min,
            ptr::null(),
            sys::GGML_LOG_LEVEL_INFO,
        )
    };
    if fits != 0 {
        // As llama-bench, which then loads with what was asked; llama.cpp has said why in its log.
        raw.n_gpu_layers = usual.n_gpu_layers;
        return (vec![none], vec![0.0; most_devices()]);
    }
    let used = overrides.iter().take_while(|o| !o.pattern.is_null()).count();
    overrides.truncate(used + 1);
    (overrides, shares)
}

/// How a file is quantized. Whatever C reads by pointer is owned or borrowed here, so that it lives through the call.
#[expect(clippy::struct_excessive_bools, reason = "they are llama.h's")]
pub(super) struct QuantizeParams<'a> {
    pub(super) ftype: sys::llama_ftype,
    pub(super) n_threads: i32,
    pub(super) allow_requantize: bool,
    pub(super) only_size: bool,
    pub(super) pure: bool,
    /// Into as many parts as the input has; the output is then what their names begin with.
    pub(super) keep_split: bool,
    pub(super) output_tensor_type: Option<sys::ggml_type>,
    pub(super) token_embedding_type: Option<sys::ggml_type>,
    /// Patterns of tensor names, the first that matches counts.
    pub(super) tensor_types: Vec<(CString, sys::ggml_type)>,
    /// By tensor.
    pub(super) imatrix: Vec<(CString, &'a [f32])>,
    /// Keys that are written into the output, in this order.
    pub(super) keys: Vec<(&'static CStr, KeyValue<'a>)>,
}

/// A value of a GGUF file's metadata.
pub(super) enum KeyValue<'a> {
    /// llama.cpp keeps 127 bytes of it.
    Text(&'a str),
    /// Written as u32.
    Number(u32),
}

impl KeyValue<'_> {
    fn under(&self, key: &CStr) -> sys::llama_model_kv_override {
        let mut entry = ended();
        copy_text(&mut entry.key, key.to_bytes());
        match self {
            Self::Text(text) => {
                let mut val_str = [0; 128];
                copy_text(&mut val_str, text.as_bytes());
                entry.tag = sys::LLAMA_KV_OVERRIDE_TYPE_STR;
                entry.__bindgen_anon_1.val_str = val_str;
            }
            Self::Number(number) => {
                entry.tag = sys::LLAMA_KV_OVERRIDE_TYPE_INT;
                entry.__bindgen_anon_1.val_i64 = i64::from(*number);
            }
        }
        entry
    }
}

/// The entry that ends a list of keys: its own is empty.
fn ended() -> sys::llama_model_kv_override {
    // SAFETY: numbers, and a union of numbers and texts, all of which may be zero.
    unsafe { std::mem::zeroed() }
}

/// As strncpy to one byte less than there is room for, the rest of which is zeros.
fn copy_text(to: &mut [c_char; 128], text: &[u8]) {
    for (to, from) in to.iter_mut().take(127).zip(text) {
        *to = c_char::from_ne_bytes([*from]);
    }
}

/// Quantizes a file into another; `false` when llama.cpp could not, which is in its log.
pub(super) fn quantize(input: &CStr, output: &CStr, params: &QuantizeParams<'_>) -> bool {
    let QuantizeParams {
        ftype,
        n_threads,
        allow_requantize,
        only_size,
        pure,
        keep_split,
        output_tensor_type,
        token_embedding_type,
        tensor_types,
        imatrix,
        keys,
    } = params;
    let none = sys::llama_model_tensor_override { pattern: ptr::null(), type_: sys::GGML_TYPE_COUNT };
    let rule = |(pattern, type_): &(CString, sys::ggml_type)| sys::llama_model_tensor_override {
        pattern: pattern.as_ptr(),
        type_: *type_,
    };
    let rules: Vec<_> = tensor_types.iter().map(rule).chain([none]).collect();
    let none = sys::llama_model_imatrix_data { name: ptr::null(), data: ptr::null(), size: 0 };
    let entry = |(name, values): &(CString, &[f32])| sys::llama_model_imatrix_data {
        name: name.as_ptr(),
        data: values.as_ptr(),
        size: values.len(),
    };
    let entries: Vec<_> = imatrix.iter().map(entry).chain([none]).collect();
    let keys: Vec<_> = keys.iter().map(|(key, value)| value.under(key)).chain([ended()]).collect();
    // SAFETY: plain data returned by value.
    let mut raw = unsafe { sys::llama_model_quantize_default_params() };
    raw.ftype = *ftype;
    raw.nthread = *n_threads;
    raw.allow_requantize = *allow_requantize;
    raw.dry_run = *only_size;
    raw.pure_ = *pure;
    raw.keep_split = *keep_split;
    raw.output_tensor_type = output_tensor_type.unwrap_or(sys::GGML_TYPE_COUNT);
    raw.token_embedding_type = token_embedding_type.unwrap_or(sys::GGML_TYPE_COUNT);
    // Without any, null: llama.cpp tells an empty matrix from none.
    raw.tt_overrides = if rules.len() > 1 { rules.as_ptr() } else { ptr::null() };
    raw.imatrix = if entries.len() > 1 { entries.as_ptr() } else { ptr::null() };
    raw.kv_overrides = if keys.len() > 1 { keys.as_ptr() } else { ptr::null() };
    // SAFETY: both paths are NUL-terminated and live through the call. So do the lists that `raw` points to, with the names and values
    // they point to; each ends as llama.h has it: without a pattern, without a name, with an empty key.
    unsafe { sys::llama_model_quantize(input.as_ptr(), output.as_ptr(), &raw const raw) == 0 }
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
