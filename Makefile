# Gantry. `make help` lists what there is.
CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
PROGRAMS = gantryd gantry-shim gantry-logger gantry-init gantry-runtime gantry gantry-hub
TARGET_DIR = $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

.PHONY: help build install uninstall demo clean-demo test test-cgroup2 test-runtime-conformance check

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the release programs, in target/release
	@scripts/prerequisites.sh build
	$(CARGO) build --release --bins

install: build ## programs to PREFIX/bin (/usr/local), completions; with PREFIX=/usr also the systemd units
	install -d "$(DESTDIR)$(PREFIX)/bin"
	for program in $(PROGRAMS); do \
	  install -m 0755 "$(TARGET_DIR)/release/$$program" "$(DESTDIR)$(PREFIX)/bin/" || exit 1; done
	install -D -m 0644 crates/cli/data/completion.bash \
	  "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/gantry"
	install -D -m 0644 crates/cli/data/completion.zsh "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_gantry"
	install -D -m 0644 crates/cli/data/completion.fish \
	  "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/gantry.fish"
	if [ "$(PREFIX)" = /usr ]; then \
	  install -d "$(DESTDIR)/usr/lib/systemd/system" "$(DESTDIR)/usr/lib/sysusers.d" && \
	  install -m 0644 packaging/gantryd.service packaging/gantryd.socket "$(DESTDIR)/usr/lib/systemd/system/" && \
	  install -m 0644 packaging/gantry.sysusers "$(DESTDIR)/usr/lib/sysusers.d/gantry.conf"; fi

uninstall: ## take away what install put below PREFIX
	for program in $(PROGRAMS); do rm -f "$(DESTDIR)$(PREFIX)/bin/$$program"; done
	for shell in bash-completion/completions/gantry zsh/site-functions/_gantry \
	  fish/vendor_completions.d/gantry.fish; do rm -f "$(DESTDIR)$(PREFIX)/share/$$shell"; done
	if [ "$(PREFIX)" = /usr ]; then \
	  rm -f "$(DESTDIR)/usr/lib/systemd/system/gantryd.service" \
	    "$(DESTDIR)/usr/lib/systemd/system/gantryd.socket" \
	    "$(DESTDIR)/usr/lib/sysusers.d/gantry.conf"; fi

demo: ## the whole story on this machine, below ./demo-state (root; KEEP=1, DEMO_FAST=1)
	@scripts/demo.sh

clean-demo: ## take away everything a demo left
	@scripts/demo.sh clean

check: ## format, lints, layers, licences: no root needed
	@scripts/test.sh check

test: ## check, all tests, and the demo as a test (root)
	@scripts/test.sh

test-cgroup2: ## the programs on a host with cgroup v2 only: Debian's kernel under QEMU (minutes)
	$(CARGO) build --workspace --bins
	@BIN="$(TARGET_DIR)/debug" scripts/cgroup2.sh; outcome=$$?; \
	  if [ $$outcome = 77 ]; then echo "skipped"; else exit $$outcome; fi

test-runtime-conformance: ## runtime-tools' suite on gantry-runtime; CHECKOUT=its directory (root, go)
	$(CARGO) build -p gantry-runtime
	@scripts/runtime-conformance.sh "$(CHECKOUT)" "$(TARGET_DIR)/debug/gantry-runtime"
