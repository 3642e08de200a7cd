"""Writes a GGUF of about a billion parameters with random weights, to see how long this program takes with models of that size.

    python3 -m venv venv && venv/bin/pip install gguf
    venv/bin/python benches/synthetic_model.py synthetic-1b-F16.gguf
    gguf-bench sweep synthetic-1b-F16.gguf --types Q8_0,Q4_K_M

Speed and memory are those of a real model of this shape; the output means nothing. The architecture is llama's, 22 layers of width 2048
(1.07 billion parameters, 2.0 GiB in F16). Every row is a multiple of 256 long, so that no K-quant falls back to another type. The tokenizer
is copied from SmolLM2 (`make models`). The weights follow from the seed and from numpy's generator.
"""

import argparse
import math
from pathlib import Path

import gguf
import numpy as np

SMOLLM2 = Path(__file__).parent.parent / "vendor/cache/models/SmolLM2-135M-Instruct-Q4_1.gguf"
WIDTH, LAYERS, HEADS, KV_HEADS, FEED_FORWARD = 2048, 22, 32, 4, 5632
CONTEXT = 8192
# Standard deviation of the logits, which makes the most likely token stand out no more than in a real model.
LOGIT_SPREAD = 2.5


def tensors(n_vocab: int, layers: int):
    """Name, shape (rows, row length) and standard deviation of each matrix; None: a norm's ones."""
    kv_width = WIDTH // HEADS * KV_HEADS
    # The output is the embedding, and reads a state of unit size.
    yield "token_embd", (n_vocab, WIDTH), LOGIT_SPREAD / math.sqrt(WIDTH)
    yield "output_norm", (WIDTH,), None
    for layer in range(layers):
        # Unit in, unit out; what is added to the state of one layer after another grows by the root of their number.
        inward, added = 1 / math.sqrt(WIDTH), 1 / math.sqrt(2 * layers)
        yield f"blk.{layer}.attn_norm", (WIDTH,), None
        yield f"blk.{layer}.attn_q", (WIDTH, WIDTH), inward
        yield f"blk.{layer}.attn_k", (kv_width, WIDTH), inward
        yield f"blk.{layer}.attn_v", (kv_width, WIDTH), inward
        yield f"blk.{layer}.attn_output", (WIDTH, WIDTH), added / math.sqrt(WIDTH)
        yield f"blk.{layer}.ffn_norm", (WIDTH,), None
        yield f"blk.{layer}.ffn_gate", (FEED_FORWARD, WIDTH), inward
        yield f"blk.{layer}.ffn_up", (FEED_FORWARD, WIDTH), inward
        yield f"blk.{layer}.ffn_down", (WIDTH, FEED_FORWARD), added / math.sqrt(FEED_FORWARD)


def copy_tokenizer(writer: gguf.GGUFWriter, source: Path) -> int:
    """Copies every key of the tokenizer; the number of its tokens."""
    n_vocab = 0
    for field in gguf.GGUFReader(source).fields.values():
        if not field.name.startswith("tokenizer."):
            continue
        sub_type = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type)
        if field.name == "tokenizer.ggml.tokens":
            n_vocab = len(field.data)
    if n_vocab == 0:
        raise SystemExit(f"{source} holds no tokenizer")
    return n_vocab


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokenizer", type=Path, default=SMOLLM2, help="a GGUF whose tokenizer to copy (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=LAYERS, help="fewer make a smaller model (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    writer = gguf.GGUFWriter(asked.out, "llama", use_temp_file=True)
    writer.add_name("Random weights")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(asked.layers)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    n_vocab = copy_tokenizer(writer, asked.tokenizer)
    writer.add_vocab_size(n_vocab)
    random = np.random.default_rng(asked.seed)
    n_params = 0
    for name, shape, spread in tensors(n_vocab, asked.layers):
        n_params += math.prod(shape)
        if spread is None:
            weights = np.ones(shape, dtype=np.float32)
        else:
            weights = (random.standard_normal(shape, dtype=np.float32) * spread).astype(np.float16)
        writer.add_tensor(f"{name}.weight", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{asked.out}: {n_params / 1e9:.2f} billion parameters, {asked.out.stat().st_size / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
