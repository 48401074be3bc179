# Gantry. `make help` lists what there is; docs/install.md says more.
CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
PROGRAMS = gantryd gantry-shim gantry-init gantry-runtime gantry gantry-hub
TARGET_DIR = $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

.PHONY: help build install uninstall demo clean-demo test test-cgroup2 check

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the release programs, in target/release
	@scripts/prerequisites.sh build
	$(CARGO) build --release --bins

install: build ## programs to PREFIX/bin (/usr/local); with PREFIX=/usr also the systemd units
	install -d "$(DESTDIR)$(PREFIX)/bin"
	for program in $(PROGRAMS); do \
	  install -m 0755 "$(TARGET_DIR)/release/$$program" "$(DESTDIR)$(PREFIX)/bin/" || exit 1; done
	if [ "$(PREFIX)" = /usr ]; then \
	  install -d "$(DESTDIR)/usr/lib/systemd/system" "$(DESTDIR)/usr/lib/sysusers.d" && \
	  install -m 0644 packaging/gantryd.service packaging/gantryd.socket "$(DESTDIR)/usr/lib/systemd/system/" && \
	  install -m 0644 packaging/gantry.sysusers "$(DESTDIR)/usr/lib/sysusers.d/gantry.conf"; fi

uninstall: ## take away what install put below PREFIX
	for program in $(PROGRAMS); do rm -f "$(DESTDIR)$(PREFIX)/bin/$$program"; done

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
