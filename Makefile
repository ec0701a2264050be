# Two commands do everything on a fresh machine: `make demo` and `make test`. `make help` lists the others.
#
# All targets build with --release only, so that tch's bindings to libtorch, which take minutes, are compiled once.

# Where libtorch and tools are kept, for all checkouts.
ifeq ($(BYOL_CACHE),)
override BYOL_CACHE := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/byol
endif
export BYOL_CACHE

# The run directory of `make demo`.
OUT ?= demo-run
# Where `make install` puts the program (PREFIX/bin) and libtorch (PREFIX/lib/byol).
PREFIX ?= $(HOME)/.local
# 1 or 0 fetches and installs libtorch's CUDA libraries, or not; by default only where there is an NVIDIA GPU.
CUDA ?=
CUDA_OPTION = $(if $(CUDA),$(if $(filter 0,$(CUDA)),--no-cuda,--cuda))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help libtorch python build demo test kill-test few-labels-test format clippy docs package audit fuzz check bench bench-gpu install clean-cache

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do \
		printf '  make %-16s %s\n' "$$name" "$$text"; done

libtorch: ## bring libtorch into the cache and point this checkout at it (also CUDA=1, CUDA=0, BYOL_LIBTORCH=DIR)
	@sh scripts/prerequisites.sh
	@python3 scripts/libtorch.py $(CUDA_OPTION)

python: ## make the Python environment that tests load exported networks in (also BYOL_PYTHON=PYTHON)
	@python3 scripts/python.py

build: libtorch ## build the program
	cargo build --release --workspace

demo: build ## everything on the embedded set, in minutes (OUT=DIR, by default demo-run)
	cargo run --release --quiet --bin byol -- demo --out $(OUT) $(if $(wildcard $(OUT)),--resume)

test: libtorch python ## all tests, those in the documentation included (the report's need Chromium or Chrome: CHROME=PROGRAM)
	@sh scripts/prerequisites.sh browser
	cargo test --release --workspace

# Kills whole comparisons with SIGKILL at so many random moments, resumes them, and compares with one that was never stopped.
KILLS ?= 50
kill-test: libtorch ## kill training, by one process and by two, at 50 random moments (KILLS=N) and check that nothing is lost
	BYOL_KILLS=$(KILLS) cargo test --release --package byol-cli --test nothing_lost -- --nocapture killed
	BYOL_RANK_KILLS=$(KILLS) cargo test --release --package byol-cli --test ranks -- --nocapture killed_again

few-labels-test: libtorch ## pre-train beside 1 to 20 labels of 2 to 10 classes, 1,800 times, and see that none is called collapsed
	BYOL_FEW_LABELS=all cargo test --release --package byol --test few_labels -- --nocapture healthy

format:
	cargo fmt --all --check

clippy: libtorch
	cargo clippy --release --workspace --all-targets -- -D warnings

# The program's crate has nothing to document, and its pages would have the library's name.
docs: libtorch
	RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps --package byol --package byol-images --package byol-report --package byol-runs

package: ## make the packages of all crates, as they would be published, into the target folder
	cargo package --workspace --no-verify --allow-dirty --offline --quiet

audit:
	@sh scripts/audit.sh

# Each target for FUZZ_SECONDS (by default 10).
fuzz: libtorch ## feed damaged and hostile input to the readers of files, for a bounded time (FUZZ_SECONDS=N for each)
	@sh scripts/fuzz.sh

check: format clippy test docs package audit fuzz ## what CI runs: format, clippy, tests, documentation, packages, dependencies, fuzzing

bench: build ## throughput of byol and of the programs it is measured against, into docs/benchmarks.md
	bash bench/run.sh

bench-gpu: build ## the same on an NVIDIA GPU; PEERS_PYTHON is a Python with PyTorch for it
	bash bench/gpu.sh

install: build ## program and libraries into PREFIX (by default ~/.local), to run without this checkout
	python3 scripts/install.py $(CUDA_OPTION) $(DESTDIR)$(PREFIX)

clean-cache: ## delete what `make libtorch`, `make audit` and CI keep in the cache
	rm -rf "$(BYOL_CACHE)"/libtorch-* "$(BYOL_CACHE)/libtorch.lock" "$(BYOL_CACHE)/tools" "$(BYOL_CACHE)/target" \
		"$(BYOL_CACHE)/fuzz-target" "$(BYOL_CACHE)"/python-* "$(BYOL_CACHE)/python.lock"
