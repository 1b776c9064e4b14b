# Everything here needs Go; race needs a C compiler too. `make help` lists the targets.
SHELL       := /bin/bash
.DEFAULT_GOAL := help

GO          ?= go
BIN         := bin
PREFIX      ?= /usr/local
FUZZTIME    ?= 30s
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS     := -s -w -X main.version=$(VERSION)
PROGRAMS    := mirrorosd mirrorguard mirrorgate mirrorctl
DEMOS       := demomodel demotools demoworker
# Tests wait more than they compute, so there are two at a time for each core; under the race detector one.
SPECS       := $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$(( 2*n < 16 ? 2*n : 16 )))
GINKGO      := $(GO) tool ginkgo --silence-skips --no-color --output-interceptor-mode=none
RACE        := ./reconcile/... ./controllers/... ./cmd/mirrorosd/... ./cmd/mirrorgate/...
export CGO_ENABLED ?= 0

.PHONY: help build demos install run demo test race e2e fuzz bench lint check

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/mirrorosd, bin/mirrorguard, bin/mirrorgate and bin/mirrorctl, static
	@mkdir -p $(BIN)
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ $(addprefix ./cmd/,$(PROGRAMS))

demos: # the programs that manifests/quickstart runs
	@mkdir -p $(BIN)
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ $(addprefix ./hack/,$(DEMOS))

install: build ## copy the programs to $(PREFIX)/bin; then `mirrorosd install` writes a unit
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(addprefix $(BIN)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin/

run: build demos ## run the operator over manifests/quickstart in the foreground; Ctrl-C stops all of it
	@printf '%s\n' 'Edit a file in manifests/quickstart and watch. In another terminal:' \
		'  export MIRROROS_RUN=$(CURDIR)/tmp/run PATH=$(CURDIR)/bin:$$PATH' '  mirrorctl status; mirrorctl logs worker -f' ''
	@$(BIN)/mirrorosd --manifests manifests/quickstart --state tmp/run/state --run tmp/run --stop-on-exit

demo: build demos ## tell the whole story in under a minute
	hack/demo.sh

# What it leaves out is done elsewhere: vet by lint, the package of the end-to-end tests by e2e.
test: ## unit and end-to-end tests, under three minutes on two cores
	$(GO) test -short -shuffle=on -vet=off -p $(SPECS) $$($(GO) list ./... | grep -v '/cmd/e2e$$')
	$(MAKE) --no-print-directory e2e

e2e: ## end-to-end tests: drives the real programs
	$(GINKGO) --procs=$(SPECS) --ldflags='-s -w' ./cmd/e2e

race: ## engine, controllers and end-to-end tests under the race detector (needs a C compiler)
	@command -v $${CC:-cc} >/dev/null || command -v gcc >/dev/null || { echo "make race needs a C compiler: install gcc"; exit 1; }
	CGO_ENABLED=1 $(GO) test -short -race $(RACE)
	CGO_ENABLED=1 MIRROROS_TEST_RACE=1 $(GINKGO) -p ./cmd/e2e

fuzz: ## explore each fuzz target for FUZZTIME (default 30s)
	hack/fuzz.sh $(FUZZTIME)

bench: build ## the numbers of the README, each beside its floor
	hack/bench.sh

lint: ## gofmt, vet for linux and darwin, no leftovers
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt: $$out"; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	@$(GO) mod tidy -diff >/dev/null || { echo "go.mod is not tidy: run go mod tidy"; exit 1; }

check: lint test ## what a change must pass
