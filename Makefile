# `make help` tells what there is.
.DEFAULT_GOAL := build
.PHONY: build install uninstall deb deps test check demo fuzz powercut cgroup2 bench format clean help

MAKEFLAGS += --no-print-directory
PRODUCTS := coracle coracle-shim coracle-repl coracle-runtime

build: ## Build the programs into .build/release (the default)
	@.ci/install build
	@for product in $(PRODUCTS); do swift build --configuration release --product $$product || exit; done

install: ## Copy what was built to PREFIX (/usr/local) below DESTDIR, with manual pages and completions
	@[ -x .build/release/coracle-runtime ] || { echo "run make first" >&2; exit 1; }
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" packaging/install

uninstall: ## Take away again what `make install` put there
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" packaging/install --remove

deb: build ## Make a Debian package; packaging/try-deb tries one on a bare Debian
	@.ci/install package
	@packaging/deb

deps: ## Install what is missing of Debian's packages for building and testing
	@.ci/install build test

test: deps ## Run all tests
	@.ci/test

check: deps ## Check format, generated files and import edges, then run all tests
	@.ci/check
	@.ci/test

demo: build ## See it work: a registry, images, containers, events; cleans up after itself
	@.ci/install demo
	@demo/run.sh

fuzz: deps ## Feed mutated archives, manifests and Dockerfiles to their readers, SECONDS=60 each; SEED=n repeats a run
	@Tests/Fuzz/run.sh "$(SECONDS)" $(SEED)

powercut: build ## Cut the power of a QEMU guest at random moments, ROUNDS=10 times, and check its disk; SEED=n repeats a run
	@.ci/install powercut
	@Tests/PowerCut/run.sh $(ROUNDS) $(SEED)

cgroup2: ## Run the tests of limits in a QEMU guest that has cgroup v2 alone
	@.ci/install build test powercut
	@swift build --quiet --build-tests
	@Tests/ControlGroups2/run.sh

bench: build ## Measure beside other engines
	@.ci/install bench
	@bench/run

format: ## Format all Swift sources
	@swift format --in-place --parallel --recursive Package.swift Sources Tests clients

clean: ## Remove everything that was built
	@rm -rf .build

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
