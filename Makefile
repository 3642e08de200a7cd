# What a user types. cargo does the work; one release build of llama.cpp serves every target.

CARGO ?= cargo
PYTHON ?= python3
# cuda, metal, vulkan or rocm: `make demo FEATURES=vulkan`.
FEATURES ?=
# auto, or wheels: take cmake and libclang from pinned wheels alone, never through apt-get, sudo or brew.
TOOLS ?= auto

FLAGS := --release --locked $(if $(FEATURES),--features $(FEATURES))
PROGRAM := $(or $(CARGO_TARGET_DIR),target)/release/gguf-bench
SMOLLM2 := vendor/cache/models/SmolLM2-135M-Instruct-Q4_1.gguf
# What `make bench` and `make answer` measure, made here; BENCH_ARGS adds options, such as --until 3.
of_smollm2 = $(patsubst %,vendor/cache/bench/SmolLM2-135M-Instruct-%.gguf,$(1))
BENCHED := $(call of_smollm2,F16 Q8_0 Q4_K_M)
ANSWERED := $(call of_smollm2,F16 Q8_0 Q6_K Q4_K_M Q2_K)
MADE := vendor/cache/bench/made/five/run.json
BENCH_ARGS ?=
# Names of single tests of `make test-vulkan`.
VULKAN_TESTS ?=
# What `make gpu-check` is told: models, --device, --only.
GPU_CHECK_ARGS ?=
SOURCES := build.rs src tests benches fuzz/src fuzz/fuzz_targets templates prompts vendor/*.py
# Each reads what others wrote; fuzz/seeds/ holds what each begins with.
FUZZED := $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
SECONDS ?= 60

# RUSTFLAGS, even empty, replaces the flags of .cargo/config.toml, and llama.cpp would not be built for this CPU.
ifneq ($(origin RUSTFLAGS),undefined)
ifeq ($(findstring target-cpu=,$(RUSTFLAGS)),)
$(info RUSTFLAGS is set: adding -C target-cpu=native, which .cargo/config.toml would have given)
override RUSTFLAGS += -C target-cpu=native
endif
export RUSTFLAGS
endif

.PHONY: help demo test test-browser test-cards test-vulkan platforms deny hostile mutations fuzz build models tasks example release bench answer gpu-check tools clean

help: ## say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: build ## benchmark the bundled model and say where the report is
	$(PROGRAM) demo

test: tools models ## run every check of the project
	$(PYTHON) -B -m unittest discover --quiet --start-directory vendor
	$(CARGO) fmt --check
	@if grep -rnE 'dbg!|todo!|unimplemented!|FIXME' $(wildcard $(SOURCES)); then echo 'error: not fit to be committed'; exit 1; fi
	$(CARGO) clippy $(FLAGS) --all-targets -- -D warnings
	$(CARGO) test $(FLAGS)
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(FLAGS) --no-deps
	$(MAKE) test-cards
	$(MAKE) test-browser
	@if command -v cargo-deny >/dev/null; then $(MAKE) deny; else echo 'cargo-deny is not installed: licences and advisories were not checked'; fi

test-browser: build ## open reports in a headless Chromium, which is installed when it is missing
	GGUF_BENCH=$(abspath $(PROGRAM)) $(PYTHON) -B -m unittest discover --quiet --start-directory tests/browser

test-cards: build ## read and write model cards with huggingface_hub, which is fetched when it is missing
	GGUF_BENCH=$(abspath $(PROGRAM)) $(PYTHON) -B -m unittest discover --quiet --start-directory tests/cards

test-vulkan: tools ## test devices on Mesa's software driver of Vulkan, which is installed when it is missing; builds into target/vulkan
	$(PYTHON) -B vendor/vulkan.py $(VULKAN_TESTS)

platforms: build ## check that the program compiles for macOS, Windows and ARM, without building llama.cpp for them
	$(PYTHON) -B vendor/platforms.py

deny: ## check licences, sources and versions of what this depends on, with cargo-deny
	$(CARGO) deny check --hide-inclusion-graph licenses bans sources
	@if $(CARGO) deny fetch db; then $(CARGO) deny check --disable-fetch advisories; else echo 'the database of advisories could not be reached: they were not checked'; fi

hostile: tools ## run 200 damaged models, rather than the few of `make test`, and say what came of them
	MUTATED_RUNS=200 $(CARGO) test $(FLAGS) --test it mutated -- --nocapture --test-threads 1

mutations: tools ## show that tests/coverage.rs fails for each fault of the method, which is built in a copy
	$(PYTHON) -B tests/mutations.py

fuzz: $(addprefix fuzz-,$(FUZZED)) ## fuzz what reads others' files, each for SECONDS (60), with cargo-fuzz and a nightly compiler

fuzz-%:
	@mkdir -p fuzz/corpus/$*
	$(CARGO) +nightly fuzz run --fuzz-dir fuzz $* fuzz/corpus/$* fuzz/seeds/$* -- \
		-max_total_time=$(SECONDS) -max_len=65536 -timeout=10 -malloc_limit_mb=256

build: tools ## build the program, and before it what llama.cpp needs
	$(CARGO) build $(FLAGS)

models: ## fetch the pinned models to measure, 94 MB
	$(PYTHON) -B vendor/models.py

tasks: ## fetch the pinned tasks for --task, 3 MB: samples of HellaSwag and TruthfulQA
	$(PYTHON) -B vendor/tasks.py

example: build models $(MADE) ## measure the report that the README shows, and take its pictures; the tree must be clean
	$(PYTHON) -B vendor/example.py --program $(PROGRAM) $(ANSWERED)

release: tools ## build and pack binaries for other machines of this system into dist/
	$(PYTHON) -B vendor/release.py --out dist

bench: build models $(MADE) ## measure how well this measures, against llama-bench and llama-perplexity on the PATH or in LLAMA_BENCH, LLAMA_PERPLEXITY
	$(CARGO) bench $(filter-out --release,$(FLAGS)) --bench fidelity -- $(BENCHED) $(BENCH_ARGS)
	$(CARGO) bench $(filter-out --release,$(FLAGS)) --bench quality -- $(firstword $(BENCHED)) $(lastword $(BENCHED)) --windows 20

answer: build models $(MADE) ## see what five files say in 0.6 of the time that llama-bench and llama-perplexity take, 13 minutes
	$(CARGO) bench $(filter-out --release,$(FLAGS)) --bench answer -- $(ANSWERED) $(BENCH_ARGS)

# One run of the program makes them all; what it measures on the way is not used.
$(MADE): | build models
	$(PROGRAM) sweep $(SMOLLM2) --allow-requantize --types F16,Q8_0,Q6_K,Q4_K_M,Q2_K --keep vendor/cache/bench \
		--out $(@D) --quick --pp 16 --tg 0 --prompts none --no-quality --quiet

gpu-check: ## check this program on the GPU of this machine, and print a table to paste; LLAMA_BENCH names a llama-bench to compare with
	$(PYTHON) -B vendor/gpu_check.py $(if $(FEATURES),--features $(FEATURES)) $(GPU_CHECK_ARGS)

tools: # cmake and libclang, installed when they are missing
	@$(PYTHON) -B vendor/bootstrap.py $(TOOLS)

clean: ## remove what was built or fetched; results stay
	$(CARGO) clean
	rm -rf vendor/cache
