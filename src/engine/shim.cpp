// The C door to llama.cpp's memory account, which it offers only as C++ (a std::map, by value).
//
// llama.cpp does not install the header that declares it. What is declared here therefore repeats names and
// layout of llama.cpp/src/llama-ext.h and ggml/include/ggml-backend.h as of llama-cpp-sys-2 0.1.160; tests/pins.rs
// fails when the pin moves and this line does not. Compare both headers before changing it.

#include <cstddef>
#include <map>

struct llama_context;
struct ggml_backend_buffer_type;

struct llama_memory_breakdown_data {
    std::size_t model = 0;
    std::size_t context = 0;
    std::size_t compute = 0;
};

std::map<ggml_backend_buffer_type *, llama_memory_breakdown_data> llama_get_memory_breakdown(const llama_context * ctx);

extern "C" {

const char * ggml_backend_buft_name(ggml_backend_buffer_type * buft);
bool ggml_backend_buft_is_host(ggml_backend_buffer_type * buft);

// What one buffer type holds for a context, in bytes. `name` is llama.cpp's and lives as long as the process.
struct gguf_bench_buffer {
    const char * name;
    bool is_host;
    std::size_t model;
    std::size_t context;
    std::size_t compute;
};

// Writes up to `capacity` rows to `out` and returns how many there are, which may be more. SIZE_MAX: out of memory.
std::size_t gguf_bench_memory_breakdown(const llama_context * ctx, gguf_bench_buffer * out, std::size_t capacity) noexcept {
    try {
        std::size_t rows = 0;
        for (const auto & [type, bytes] : llama_get_memory_breakdown(ctx)) {
            if (rows < capacity) {
                out[rows] = {ggml_backend_buft_name(type), ggml_backend_buft_is_host(type), bytes.model, bytes.context, bytes.compute};
            }
            ++rows;
        }
        return rows;
    } catch (...) {
        // An exception must not cross into Rust.
        return static_cast<std::size_t>(-1);
    }
}

}
