//! The same settings for llama.cpp's own programs: what is typed after llama-server and llama-bench.

use super::{
    CPU_MASK, DEVICE, Device, EMBEDDINGS, FIT_MIN_CTX, FIT_TARGET, FLASH_ATTENTION, LAZY_MODE, LOAD_MODE, MAIN_GPU,
    N_BATCH, N_CPU_MOE, N_GPU_LAYERS, N_THREADS, N_THREADS_BATCH, N_UBATCH, NO_HOST, NO_KV_OFFLOAD, NO_OP_OFFLOAD,
    NUMA, PRIORITY, REPACK, RPC, Repack, SPLIT_MODE, Setting, Settings, TENSOR_OVERRIDES, TENSOR_SPLIT, TYPE_K, TYPE_V,
    TensorOverride, setting::name,
};

/// Whether a device computes, so that its flags mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offload {
    Possible,
    None,
}

impl Settings {
    /// For llama-server: what decides speed always, whatever its own default is, and the rest where it is changed.
    pub(crate) fn for_llama_server(&self, offload: Offload) -> Vec<String> {
        let Self {
            device,
            n_gpu_layers,
            split_mode,
            main_gpu,
            tensor_split,
            no_op_offload,
            fit_target,
            fit_min_ctx,
            n_threads,
            n_threads_batch,
            cpu_mask,
            priority,
            numa,
            n_batch,
            n_ubatch,
            embeddings,
            type_k,
            type_v,
            no_kv_offload,
            flash_attention,
            n_cpu_moe,
            tensor_overrides,
            load_mode,
            lazy_mode,
            no_host,
            repack,
            rpc,
        } = self;
        let usual = Self::defaults(*n_threads);
        let mut words = Words::default();
        words.flag(N_THREADS, n_threads);
        words.flag(N_THREADS_BATCH, n_threads_batch);
        words.flag(N_BATCH, n_batch);
        words.flag(N_UBATCH, n_ubatch);
        words.flag(FLASH_ATTENTION, &name(flash_attention));
        words.flag(TYPE_K, &name(type_k));
        words.flag(TYPE_V, &name(type_v));
        if offload == Offload::Possible {
            // Its -1 leaves the number to llama.cpp; llama-bench's is all of them.
            words.flag(N_GPU_LAYERS, &if *n_gpu_layers < 0 { "all".to_owned() } else { n_gpu_layers.to_string() });
        }
        words.device(device, ",");
        words.changed(N_CPU_MOE, n_cpu_moe, &usual.n_cpu_moe);
        words.changed(SPLIT_MODE, &name(split_mode), &name(&usual.split_mode));
        words.changed(MAIN_GPU, main_gpu, &usual.main_gpu);
        words.shares(tensor_split, ",");
        words.bare(NO_OP_OFFLOAD, *no_op_offload);
        words.changed(FIT_TARGET, fit_target, &usual.fit_target);
        words.changed(FIT_MIN_CTX, fit_min_ctx, &usual.fit_min_ctx);
        words.changed(CPU_MASK, &cpu_mask.to_string(), &usual.cpu_mask.to_string());
        words.changed(PRIORITY, priority, &usual.priority);
        words.changed(NUMA, &name(numa), &name(&usual.numa));
        words.bare(EMBEDDINGS, *embeddings);
        words.bare(NO_KV_OFFLOAD, *no_kv_offload);
        words.overrides(tensor_overrides, ",");
        words.changed(LOAD_MODE, &name(load_mode), &name(&usual.load_mode));
        words.changed(LAZY_MODE, &name(lazy_mode), &name(&usual.lazy_mode));
        words.bare(NO_HOST, *no_host);
        if *repack == Repack::Off {
            words.0.push("--no-repack".into());
        }
        words.rpc(rpc);
        words.0
    }

    /// For llama-bench, which has one number of threads: the given one.
    pub(crate) fn for_llama_bench(&self, offload: Offload, threads: u32) -> Vec<String> {
        let Self {
            device,
            n_gpu_layers,
            split_mode,
            main_gpu,
            tensor_split,
            no_op_offload,
            fit_target,
            fit_min_ctx,
            n_threads: _,
            n_threads_batch: _,
            cpu_mask,
            priority,
            numa,
            n_batch,
            n_ubatch,
            embeddings,
            type_k,
            type_v,
            no_kv_offload,
            flash_attention,
            n_cpu_moe,
            tensor_overrides,
            load_mode,
            lazy_mode,
            no_host,
            repack,
            rpc,
        } = self;
        let usual = Self::defaults(threads);
        let truth = |yes: bool| u8::from(yes);
        let mut words = Words::default();
        words.flag(N_THREADS, &threads);
        words.flag(N_BATCH, n_batch);
        words.flag(N_UBATCH, n_ubatch);
        words.flag(FLASH_ATTENTION, &name(flash_attention));
        words.flag(TYPE_K, &name(type_k));
        words.flag(TYPE_V, &name(type_v));
        if offload == Offload::Possible {
            words.flag(N_GPU_LAYERS, n_gpu_layers);
        }
        words.device(device, "/");
        words.changed(N_CPU_MOE, n_cpu_moe, &usual.n_cpu_moe);
        words.changed(SPLIT_MODE, &name(split_mode), &name(&usual.split_mode));
        words.changed(MAIN_GPU, main_gpu, &usual.main_gpu);
        words.shares(tensor_split, "/");
        words.changed(NO_OP_OFFLOAD, &truth(*no_op_offload), &0);
        words.changed(FIT_TARGET, fit_target, &usual.fit_target);
        words.changed(FIT_MIN_CTX, fit_min_ctx, &usual.fit_min_ctx);
        words.changed(CPU_MASK, &cpu_mask.to_string(), &usual.cpu_mask.to_string());
        words.changed(PRIORITY, priority, &usual.priority);
        words.changed(NUMA, &name(numa), &name(&usual.numa));
        words.changed(EMBEDDINGS, &truth(*embeddings), &0);
        words.changed(NO_KV_OFFLOAD, &truth(*no_kv_offload), &0);
        words.overrides(tensor_overrides, ";");
        words.changed(LOAD_MODE, &name(load_mode), &name(&usual.load_mode));
        words.changed(LAZY_MODE, &name(lazy_mode), &name(&usual.lazy_mode));
        words.changed(NO_HOST, &truth(*no_host), &0);
        words.changed(REPACK, &truth(*repack == Repack::On), &1);
        words.rpc(rpc);
        words.0
    }
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn flag(&mut self, setting: Setting, value: &impl ToString) {
        self.0.extend([setting.flag(), value.to_string()]);
    }

    fn changed<T: PartialEq + ToString>(&mut self, setting: Setting, value: &T, usual: &T) {
        if value != usual {
            self.flag(setting, value);
        }
    }

    /// A flag that is there or not.
    fn bare(&mut self, setting: Setting, yes: bool) {
        if yes {
            self.0.push(setting.flag());
        }
    }

    /// A kind of device is this program's word; llama.cpp's programs know names.
    fn device(&mut self, device: &Device, between: &str) {
        match device {
            Device::Cpu => self.flag(DEVICE, &"none"),
            Device::Named(names) => self.flag(DEVICE, &names.join(between)),
            Device::Auto | Device::Cuda | Device::Metal | Device::Vulkan | Device::Rocm => {}
        }
    }

    fn shares(&mut self, shares: &[f32], between: &str) {
        if !shares.is_empty() {
            let all: Vec<String> = shares.iter().map(ToString::to_string).collect();
            self.flag(TENSOR_SPLIT, &all.join(between));
        }
    }

    fn overrides(&mut self, overrides: &[TensorOverride], between: &str) {
        if !overrides.is_empty() {
            let all: Vec<String> = overrides.iter().map(|one| format!("{}={}", one.pattern, one.buffer)).collect();
            self.flag(TENSOR_OVERRIDES, &all.join(between));
        }
    }

    fn rpc(&mut self, servers: &[String]) {
        if !servers.is_empty() {
            self.0.extend([format!("--{}", RPC.long), servers.join(",")]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::CacheType;

    #[test]
    fn what_decides_speed_is_always_said_and_the_rest_where_it_is_changed() {
        let settings = Settings { n_threads_batch: 8, n_ubatch: 256, type_k: CacheType::Q8_0, ..Settings::defaults(4) };
        assert_eq!(
            settings.for_llama_server(Offload::None).join(" "),
            "-t 4 -tb 8 -b 2048 -ub 256 -fa auto -ctk q8_0 -ctv f16"
        );
        assert_eq!(
            settings.for_llama_bench(Offload::None, 8).join(" "),
            "-t 8 -b 2048 -ub 256 -fa auto -ctk q8_0 -ctv f16"
        );
    }

    #[test]
    fn each_program_has_its_own_spelling() {
        let settings = Settings {
            device: Device::Named(vec!["CUDA0".into(), "CUDA1".into()]),
            n_cpu_moe: 3,
            no_kv_offload: true,
            repack: Repack::Off,
            tensor_split: vec![3.0, 1.0],
            ..Settings::defaults(4)
        };
        let server = settings.for_llama_server(Offload::Possible).join(" ");
        assert!(server.ends_with("-ngl all -dev CUDA0,CUDA1 -ncmoe 3 -ts 3,1 -nkvo --no-repack"), "{server}");
        let bench = settings.for_llama_bench(Offload::Possible, 4).join(" ");
        assert!(bench.ends_with("-ngl -1 -dev CUDA0/CUDA1 -ncmoe 3 -ts 3/1 -nkvo 1 --repack 0"), "{bench}");
    }
}
