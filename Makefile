# make demo: all set-up, then both simulators and every flow, live.   make test: all set-up, then all tests.
SHELL := /bin/bash
TOOLS := $(or $(TANDEM_TOOLS),$(HOME)/.cache/tandem)
CARGO := cargo
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
# The exact toolchain that setup chose for plugins; never leaks into the host's build.
PLUGIN_CARGO = cd plugins && env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u CARGO_TARGET_DIR RUSTC="$$(cat $(TOOLS)/wasm-rustc)" $(CARGO)

# Tests mostly wait for what the host's timers do: more of them at once than there are cores take half the time.
TEST_THREADS ?= $(shell expr 2 \* $$(nproc))

.PHONY: demo test build plugins console setup setup-tests setup-dist lint soak bench dist windows clean

demo: setup plugins console
	$(CARGO) build --locked --workspace --bins
	target/debug/tandem demo

test: lint build
	cd plugins && $(CARGO) test --quiet --locked --target "$(HOST)"
	cd host/console && PATH="$(TOOLS)/bin:$$PATH" && npm run --silent test && npm run --silent test:browser
	TANDEM_TEST_STORE=postgres RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked --workspace --test flows -- orders_found::
	PATH="$(TOOLS)/bin:$$PATH" RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked --workspace --no-fail-fast

setup:
	@scripts/setup.sh

setup-tests: setup
	@scripts/setup-tests.sh

plugins: setup
	@$(PLUGIN_CARGO) build --quiet --release --locked

# The console's pages, which the binary carries.
console: setup
	@scripts/build-console.sh

build: setup plugins console
	$(CARGO) build --locked --workspace --all-targets

lint: setup-tests console
	$(CARGO) fmt --check
	cd plugins && $(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --locked --workspace --all-targets -- -D warnings
	cd plugins && $(CARGO) clippy --quiet --locked --target "$(HOST)" -- -D warnings
	cd host/console && PATH="$(TOOLS)/bin:$$PATH" npm run --silent lint
	PATH="$(TOOLS)/bin:$$PATH" $(CARGO) deny --log-level error check bans licenses sources
	PATH="$(TOOLS)/bin:$$PATH" $(CARGO) deny --log-level error --manifest-path plugins/Cargo.toml check bans licenses sources

# The long form of the fault tests: 1,000 kills with orders, 200 with all flows, and each situation of the flows again with faults.
soak: setup-tests plugins console
	$(CARGO) build --quiet --locked --release --workspace --all-targets
	TANDEM_SOAK_KILLS=1000 $(CARGO) test --locked --release --workspace --test host -- --nocapture won_opportunities_survive_kill
	TANDEM_SOAK_KILLS=1000 $(CARGO) test --locked --release --workspace --test host -- --nocapture several::won_opportunities
	TANDEM_SOAK_KILLS=200 $(CARGO) test --locked --release --workspace --test host -- --nocapture all_flows::
	TANDEM_DAYS=20 $(CARGO) test --locked --release --workspace --test flows -- orders_days::
	TANDEM_FAULTS=0.02 $(CARGO) test --locked --release --workspace --no-fail-fast --test flows
	TANDEM_TEST_STORE=postgres $(CARGO) test --locked --release --workspace --no-fail-fast --test flows

bench: setup plugins console
	$(CARGO) build --quiet --locked --release --workspace
	target/release/tandem-bench

setup-dist: setup
	@scripts/setup-dist.sh

# All that is handed out, in target/archives: for Linux an archive and a .deb, for Windows a zip and an installer, with licences and SBOM. What is
# for Windows is left out, with a notice, where Rust's parts for it cannot be had.
dist: setup-dist plugins console
	scripts/dist.sh
	scripts/dist-windows.sh

# The host for Windows, on Linux: compiled, clippy, and a run under Wine.
windows: setup-dist plugins console
	@scripts/setup-wine.sh
	scripts/check-windows.sh
	$(CARGO) build --quiet --locked -p tandem-simulators --bins
	scripts/windows-smoke.sh target/x86_64-pc-windows-gnu/debug/tandem.exe

clean:
	$(CARGO) clean
	rm -rf plugins/target demo
