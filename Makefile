# upkeep needs Go and make; everything else is set up by these targets.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
DATA    ?= ./var
LISTEN  ?= localhost:8080

# A static binary. The race detector is the one thing that needs a C compiler; "make test" as root installs one.
BUILD   := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
CC_HERE  = $(shell command -v gcc)
# Most tests wait most of the time, so four packages at once keep two cores busy.
TEST     = CGO_ENABLED=$(if $(CC_HERE),1,0) $(GO) test $(if $(CC_HERE),-race) -count=1 -timeout 9m -p 4

.PHONY: help run test check bench chaos peers build generate packages clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: build ## build, and start the panel with example services on http://localhost:8080
	@./bin/upkeep serve --data $(DATA) --listen $(LISTEN) --demo

build: ## build bin/upkeep and bin/upkeep-helper
	@mkdir -p bin
	$(BUILD) -o bin/upkeep ./cmd/upkeep
	$(BUILD) -o bin/upkeep-helper ./cmd/upkeep-helper

generate: ## write the Go code of the templates
	$(GO) tool templ generate -path templates

check: ## everything that can be said without a browser: generated code, format, vet, staticcheck, import rules, race tests
	@$(MAKE) --no-print-directory lint
	$(TEST) $(shell $(GO) list ./... | grep -v /internal/journey)

.PHONY: lint
lint:
	./.ci/unchanged $(GO) tool templ generate -path templates
	./.ci/unchanged $(GO) tool templ fmt templates
	./.ci/unchanged gofmt -l -w cmd internal static store templates web
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

test: packages ## set up what tests need, then run every test, those in a real browser included
	@$(MAKE) --no-print-directory check
	$(TEST) ./internal/journey/...

bench: build ## measure speed and memory against the budgets
	$(GO) run ./internal/bench

chaos: build ## kill, freeze and starve upkeep and its services for five minutes, and audit what became of them (as root)
	UPKEEP_FAILPOINT_ALL=1 $(GO) test -count=1 ./internal/failpoint
	$(GO) run ./internal/chaos $(CHAOS)

peers: build ## as root: do the same harm to upkeep and to supervisord, runit, s6 and pm2, as far as they are installed
	$(GO) run ./internal/peers

packages:
	@./.ci/packages

clean: ## remove what was built; ./var stays
	rm -rf bin
