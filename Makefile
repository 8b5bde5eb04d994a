# `make help` lists the targets. Tools and the lab are built once, outside of the clone.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
GOBUILD  := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'
BINARIES := operator redisnode kubectl-redis_cluster
CHARTS   := charts/redis-operator charts/redis-cluster

# Images as the charts name them; the lab gets them under the tag dev.
OPERATOR_IMAGE  ?= ghcr.io/redisoperator/operator:dev
REDISNODE_IMAGE ?= ghcr.io/redisoperator/redisnode:dev
# The tag that the operator's chart takes when it is given none.
CHART_VERSION   := $(shell sed -n 's/^appVersion: "\(.*\)"/\1/p' charts/redis-operator/Chart.yaml)

export TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/redis-operator-tools/bin
GENERATORS   := controller-gen deepcopy-gen client-gen lister-gen informer-gen applyconfiguration-gen
LAB          := test/lab/lab.sh

##@ Build

.PHONY: build
build: $(BINARIES:%=bin/%) ## The three binaries, static, in bin/

# Go knows what is new: these are always asked for.
.PHONY: $(BINARIES:%=bin/%)
$(BINARIES:%=bin/%):
	@$(GOBUILD) -o $@ ./cmd/$(@F)

.PHONY: images
images: ## Container images from docker/, with $(BUILDER) (docker, podman or buildah)
	hack/images.sh $(OPERATOR_IMAGE) $(REDISNODE_IMAGE)

.PHONY: generate
generate: tools-generate ## Regenerates clients, deep copies, CRD and reference
	hack/update-codegen.sh

.PHONY: tools
tools: ## Build tools, pinned in hack/tools
	@hack/tools.sh $(GENERATORS) golangci-lint helm >/dev/null

.PHONY: tools-generate
tools-generate:
	@hack/tools.sh $(GENERATORS) >/dev/null

.PHONY: clean
clean: ## Removes what was built in the clone (caches stay: `make lab-clean` for the lab's)
	rm -rf bin dist

##@ Test

.PHONY: test
test: ## Everything: verify, lint, unit, e2e, with the time of each at the end
	@hack/test.sh verify lint unit e2e

.PHONY: lint
lint: ## golangci-lint, helm lint, shell scripts
	@hack/lint.sh

.PHONY: verify
verify: tools-generate ## Generated files are what the sources make
	hack/verify-codegen.sh

# End-to-end tests need a Kubernetes, and a build tag: what is without one there is tested here.
UNIT = ./...

# The servers of the lab's cache, first in PATH, so that nothing has to be installed for the tests.
WITH_REDIS = PATH="$$(hack/servers.sh):$$PATH" CGO_ENABLED=1

.PHONY: unit
unit: engines helm ## Tests with the race detector; pkg/redis and pkg/redisnode against real servers
	$(WITH_REDIS) go test -race -timeout 30m $(UNIT)

.PHONY: test-race
test-race: unit ## The same

.PHONY: integration
integration: engines ## Only what talks to real Redis and Valkey servers
	$(WITH_REDIS) go test -race -count=1 -timeout 15m ./pkg/redis/... ./pkg/redisnode/...

.PHONY: test-long
test-long: engines ## Random histories and crashes, many more of them (MOVE_SEED=n, SEED=n for the same again)
	go test -count=1 -timeout 60m ./pkg/cluster ./pkg/cluster/plan ./pkg/objects -rapid.seed=0 -rapid.checks=10000
	$(WITH_REDIS) SEED=$(or $(SEED),$$RANDOM) MOVE_RUNS=400 SEEDED_RUNS=60 go test -count=1 -timeout 120m -v -run 'MoveSlots_Crashes|MoveAtomic_Faults' ./pkg/redis

.PHONY: e2e
e2e: helm ## End to end in the lab: three nodes, both charts (E2E=-run=TestName for one)
	@NODES=3 $(MAKE) lab-up lab-images
	@eval "$$($(LAB) env)" && export LAB=$(CURDIR)/$(LAB) PATH="$(CURDIR)/bin:$$PATH:$(TOOLS)" && \
	  go test -tags e2e ./test/e2e/... -p 1 -count=1 -timeout 60m -v $(E2E)

.PHONY: chaos
chaos: helm ## Faults drawn by seed, in the lab: make chaos SEED=1 DURATION=10m (FAULTS=disk-full,drain for some)
	@NODES=3 $(MAKE) lab-up lab-images
	@eval "$$($(LAB) env)" && export LAB=$(CURDIR)/$(LAB) PATH="$(CURDIR)/bin:$$PATH:$(TOOLS)" && \
	  SEED=$(or $(SEED),1) DURATION=$(or $(DURATION),10m) FAULTS=$(FAULTS) go test -tags e2e ./test/e2e/chaos -count=1 -timeout 0 -v -run '^TestChaos$$'

.PHONY: bench
bench: bench-slots bench-creation ## Measures; writes test/bench/RESULTS.md

.PHONY: bench-slots
bench-slots: engines ## Moving slots beside redis-cli, on loopback (BENCH=-run=TestMigration/classic for a part)
	@$(WITH_REDIS) go test -tags bench ./test/bench -count=1 -timeout 90m -v $(or $(BENCH),-run=TestMigration)

.PHONY: bench-creation
bench-creation: helm ## From helm install to Ready, in a lab of one node
	@$(LAB) down
	@NODES=1 $(MAKE) lab-up lab-images
	@eval "$$($(LAB) env)" && export PATH="$(CURDIR)/bin:$$PATH:$(TOOLS)" && \
	  go test -tags bench ./test/bench -count=1 -timeout 40m -v -run=TestCreation

.PHONY: bench-faults
bench-faults: helm engines ## What breaks, in a lab of three nodes, beside Redis alone (FAULTS=killed,power for a part)
	@NODES=3 $(MAKE) lab-up lab-images
	@eval "$$($(LAB) env)" && export LAB=$(CURDIR)/$(LAB) PATH="$(CURDIR)/bin:$$(hack/servers.sh):$$PATH:$(TOOLS)" && \
	  go test -tags bench ./test/bench -count=1 -timeout 120m -v -run='^TestFaults$$'

.PHONY: bench-daytwo
bench-daytwo: helm ## Updates, settings and drains, in a lab of three nodes, under writers (DAYTWO=floor,updates,rest for a part)
	@NODES=3 $(MAKE) lab-up lab-images
	@eval "$$($(LAB) env)" && export LAB=$(CURDIR)/$(LAB) PATH="$(CURDIR)/bin:$$PATH:$(TOOLS)" && \
	  go test -tags bench ./test/bench -count=1 -timeout 120m -v -run='^TestDayTwo$$'

.PHONY: bench-scale
bench-scale: helm ## More masters and fewer, in a lab of three nodes, beside a writer with WAIT 1
	@NODES=3 $(MAKE) lab-up lab-images
	@eval "$$($(LAB) env)" && export LAB=$(CURDIR)/$(LAB) PATH="$(CURDIR)/bin:$$PATH:$(TOOLS)" && \
	  go test -tags bench ./test/bench -count=1 -timeout 40m -v -run='^TestScale$$'

.PHONY: helm
helm:
	@hack/tools.sh helm >/dev/null

.PHONY: engines lab-engines
engines lab-engines: ## Redis and Valkey servers for tests, unpacked in the lab's cache
	@$(LAB) engines >/dev/null

##@ Try

.PHONY: demo
demo: ## A Redis Cluster of three masters and three replicas, from nothing (or where KUBECONFIG points)
	@hack/demo.sh up

.PHONY: demo-down
demo-down: ## Removes the demo, and the lab when it ran there
	@hack/demo.sh down

.PHONY: lab-up
lab-up: ## A real Kubernetes on this machine: make lab-up NODES=3 (1 to 3; zones a, b, c)
	@$(LAB) up
	@mkdir -p $(TOOLS) && ln -sfn "$$($(LAB) bin)/kubectl" $(TOOLS)/kubectl

.PHONY: lab-down
lab-down: ## Stops it
	@$(LAB) down

.PHONY: lab-status
lab-status: ## What runs there
	@$(LAB) status

.PHONY: lab-kubectl
lab-kubectl: ## kubectl there: make lab-kubectl ARGS="get pods -A"
	@$(LAB) kubectl $(ARGS)

.PHONY: lab-images
lab-images: build ## Our two images, built and loaded on its nodes: as dev, and as the charts name them
	@$(LAB) image $(OPERATOR_IMAGE) bin/operator
	@$(LAB) image $(REDISNODE_IMAGE) bin/redisnode
	@$(LAB) image $(OPERATOR_IMAGE:dev=$(CHART_VERSION)) bin/operator
	@$(LAB) image $(REDISNODE_IMAGE:dev=$(CHART_VERSION)) bin/redisnode

.PHONY: lab-clean
lab-clean: lab-down ## Stops it and removes everything that was built for it
	rm -rf --one-file-system "$$($(LAB) cache)"

##@ Release

.PHONY: release-check
release-check: ## .goreleaser.yml is valid (builds goreleaser the first time: minutes)
	"$$(hack/tools.sh goreleaser)" check

.PHONY: goreleaser-check
goreleaser-check: release-check ## The same

.PHONY: release
release: ## Publishes the tag that is checked out
	"$$(hack/tools.sh goreleaser)" release --clean

.PHONY: help
help: ## This
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z][a-z0-9 -]*:.*## / {printf "  %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
