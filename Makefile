# Everything a person or CI does here, one target each: `make help` lists them.
# Needs Python 3.11 and make; the rest (Java, Caddy, libraries) comes from pip into .venv.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Where the service listens (all on loopback), e.g. `make serve PORT=9000`.
PORT ?= 8000
INFERENCE_PORT ?= 8080
MANAGEMENT_PORT ?= 8081
METRICS_PORT ?= 8082
GRPC_INFERENCE_PORT ?= 7070
GRPC_MANAGEMENT_PORT ?= 7071
EDGE_METRICS_PORT ?= 8083
# For production: a host name (HTTPS by itself), the address to listen on, the names to answer to.
SITE_ADDRESS ?=
EDGE_BIND ?=
EDGE_HOSTS ?=
# Pictures that are judged at the same time; the edge refuses more at once (503, Retry-After).
MAX_REQUESTS ?=
# Who may read metrics: the address they are shown on, and a file with the token to show.
EDGE_METRICS_BIND ?=
METRICS_TOKEN_FILE ?=
export PORT INFERENCE_PORT MANAGEMENT_PORT METRICS_PORT GRPC_INFERENCE_PORT GRPC_MANAGEMENT_PORT
export EDGE_METRICS_PORT EDGE_METRICS_BIND METRICS_TOKEN_FILE
export SITE_ADDRESS EDGE_BIND EDGE_HOSTS MAX_REQUESTS

VENV := .venv
PY := $(VENV)/bin/python
RUNTIME := requirements.txt requirements-nodeps.txt
GENERATOR := requirements-generator.txt requirements-generator-nodeps.txt
# Written last, so that an environment that was interrupted half way is seen and completed.
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
READY_GENERATOR := $(VENV)/.ready-generator
# In a terminal pip shows how far it is; in a log that would be a thousand lines.
PIP := $(PY) -m pip --disable-pip-version-check $(if $(MAKE_TERMOUT),,--quiet)

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^## / {printf "\n%s\n", substr($$0, 4)} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## The service

.PHONY: serve
serve: env ## run the service until Ctrl-C; prints the address of the page
	@exec $(PY) -m ops.serve

.PHONY: archive
archive: env ## build the .mar and .war files (those whose inputs changed)
	@$(PY) -m ops.archive $(if $(MODEL),--model $(MODEL)) $(if $(VERSION),--version $(VERSION))

.PHONY: deploy
deploy: env ## register the archives on a TorchServe that already runs
	@$(PY) -m ops.deploy

.PHONY: stop
stop: env ## end the service, however it was left
	@$(PY) -m ops.stop

.PHONY: status
status: env ## say what runs; exit status 0 if it serves
	@$(PY) -m ops.status

.PHONY: probe
probe: env ## let the service judge a picture of its own; exit status 0 if it does
	@$(PY) -m ops.probe

.PHONY: logs
logs: ## show the last lines of the logs and follow them
	@if ls build/run/logs/*.log >/dev/null 2>&1; then tail -n 40 -F build/run/logs/*.log; \
	else echo "There are no logs yet: start the service with \`make serve\`."; fi

## Versions of a running service (MODEL=, VERSION=; ARGS=--json prints JSON)

VERSIONS := $(PY) -m ops.versions

.PHONY: versions
versions: env ## list the versions: in the store, loaded, serving
	@$(VERSIONS) list $(ARGS)

.PHONY: register
register: env need-model need-version ## load a version beside the serving one and check it
	@$(VERSIONS) register $(MODEL) $(VERSION) $(ARGS)

.PHONY: compare
compare: env need-model need-version ## compare a registered version with the serving one on PICTURES=folder
	@$(VERSIONS) compare $(MODEL) $(VERSION) "$(PICTURES)" $(ARGS)

.PHONY: promote
promote: env need-model need-version ## let a version serve from the next request on
	@$(VERSIONS) promote $(MODEL) $(VERSION) $(ARGS)

.PHONY: rollback
rollback: env need-model ## go back to the version that served before
	@$(VERSIONS) rollback $(MODEL) $(ARGS)

.PHONY: unregister
unregister: env need-model need-version ## take a version that does not serve out of memory
	@$(VERSIONS) unregister $(MODEL) $(VERSION) $(ARGS)

.PHONY: swap-under-load
swap-under-load: env-dev ## 2,000 requests at concurrency 16 while efficientnet is swapped five times
	@$(PY) -m tests.perf.swap_under_load $(ARGS)

.PHONY: need-version
need-version:
	@if [ -z "$(VERSION)" ]; then echo "Say which version: VERSION=1.0 (\`make versions\` lists them)."; exit 2; fi

## The models (MODEL=cnn or MODEL=efficientnet)

DATA ?= ../shared/data
CONFIG ?= $(MODEL)

.PHONY: regions
regions: env ## find the face in every image of DATA, once; train and evaluate need it
	@$(PY) -m training.regions --data $(DATA)

.PHONY: reconstruction
reconstruction: env regions ## train the autoencoder of reconstruction fakes, once; training needs it
	@$(PY) -m training.reconstruction --data $(DATA)

.PHONY: generated
generated: env-generator ## draw faces with a GAN, once (15 minutes); configurations with `generated` need them
	@$(PY) -m training.generated

.PHONY: upscaled
upscaled: env-generator regions ## let a GAN redraw photos, once (6 minutes); configurations with `upscaled` need them
	@$(PY) -m training.upscaled --data $(DATA)

# Only what the configuration asks for: drawing faces takes long.
NEEDED = $(foreach kind,generated upscaled,$(if $(shell grep -s '^$(kind) = ' training/configs/$(CONFIG).toml),$(kind)))

.PHONY: train
train: env need-model regions reconstruction $(NEEDED) ## train as training/configs/MODEL.toml (or CONFIG.toml) says; resumes
	@$(PY) -m training.train --config training/configs/$(CONFIG).toml --data $(DATA) $(ARGS)

.PHONY: study
study: env regions reconstruction generated upscaled ## compare recipes: STUDY names a file of training/studies; resumes
	@$(PY) -m training.study training/studies/$(STUDY).toml --data $(DATA) $(ARGS)

.PHONY: feature-probe
feature-probe: env regions reconstruction generated upscaled ## what frozen features tell of each kind of forgery
	@$(PY) -m training.feature_probe --data $(DATA) --out training/studies/feature-probe.md $(ARGS)

.PHONY: calibrate
calibrate: env need-model regions ## make model_store/MODEL/VERSION of the trained weights
	@$(PY) -m training.calibrate $(MODEL) --run-dir build/training/$(CONFIG) --data $(DATA) $(if $(VERSION),--version $(VERSION)) \
		$(if $(SIZE),--size $(SIZE)) $(if $(MIRRORED),--mirrored) \
		$(if $(AVERAGE_WITH),--average-with $(AVERAGE_WITH)) $(if $(AVERAGE_SHARE),--average-share $(AVERAGE_SHARE)) $(ARGS)

.PHONY: evaluate
evaluate: env regions ## figures of the serving models on the test split
	@$(PY) -m training.evaluate --data $(DATA) $(ARGS)

.PHONY: need-model
need-model:
	@case "$(MODEL)" in cnn|efficientnet) ;; \
	*) echo "Say which model: MODEL=cnn or MODEL=efficientnet."; exit 2;; esac

## The code

.PHONY: test
test: env-dev ## run all tests (ARGS="..." goes to pytest)
	@$(PY) -m pytest $(ARGS)

.PHONY: lint
lint: env-dev ## check style
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

.PHONY: format
format: env-dev ## mend style
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

.PHONY: types
types: env-dev ## check types
	@$(PY) -m mypy

.PHONY: check
check: lint types test ## style, types and tests

.PHONY: bench
bench: env-dev ## measure speed against the floor and other servers; ARGS="--only floor" for a part
	@$(PY) -m tests.perf.bench $(ARGS)

.PHONY: engine
engine: env ## compile the workflow engine (needs a JDK 17; the classes are committed)
	@$(PY) -m ops.engine

## Load and faults: each starts a service of its own, prints a table and writes build/perf/*.json

.PHONY: load
load: env-dev ## a ramp to well past saturation and back (5 minutes; ARGS="--seconds 5")
	@$(PY) -m tests.perf.load $(ARGS)

.PHONY: soak
soak: env-dev ## steady traffic, memory and threads watched (20 minutes; ARGS="--minutes 3")
	@$(PY) -m tests.perf.soak $(ARGS)

.PHONY: faults
faults: env-dev ## kill, hang, fill and rotate under traffic (as root for the full log disk)
	@$(PY) -m tests.perf.faults $(ARGS)

.PHONY: fuzz
fuzz: env-dev ## 20,000 damaged files through the ingest code, 1,000 through a service
	@$(PY) -m tests.perf.fuzz $(ARGS)

## The environment

# A stamp says that everything was installed once; the check sees what was damaged since.
.PHONY: env
env: $(READY) ## create or repair .venv
	@$(PY) -m ops.environment $(RUNTIME) || { rm -f $(READY); $(MAKE) --no-print-directory $(READY); }

.PHONY: env-generator
env-generator: env $(READY_GENERATOR) ## the same, with the generators that training learns from
	@$(PY) -m ops.environment $(GENERATOR) || { rm -f $(READY_GENERATOR); $(MAKE) --no-print-directory $(READY_GENERATOR); }

.PHONY: env-dev
env-dev: env env-generator $(READY_DEV) ## the same, with what tests and checks need
	@$(PY) -m ops.environment requirements-dev.txt || { rm -f $(READY_DEV); $(MAKE) --no-print-directory $(READY_DEV); }

$(READY): $(RUNTIME)
	@python=; for candidate in python3.11 python3 python; do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "Python 3.11 is needed and was not found: install it so that \`python3.11\` runs."; exit 1; fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then echo "Python's venv module is missing: install it (Debian: apt install python3.11-venv)."; exit 1; fi; \
	if $(PY) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && $(PY) -m pip --version >/dev/null 2>&1; then \
	  echo "Completing the environment in $(VENV) ..."; \
	else \
	  echo "Creating the environment in $(VENV): a few minutes, once ..."; $$python -m venv --clear $(VENV); \
	fi
	@$(PIP) install -r requirements.txt && $(PIP) install --no-deps -r requirements-nodeps.txt || \
	{ echo "The packages could not be installed (the message is above): is there a network, and 8 GB of disk?"; exit 1; }
	@touch $@

$(READY_GENERATOR): $(GENERATOR) $(READY)
	@echo "Adding the generators that training learns from ..."
	@$(PIP) install -r requirements-generator.txt && $(PIP) install --no-deps -r requirements-generator-nodeps.txt
	@touch $@

$(READY_DEV): requirements-dev.txt $(READY)
	@echo "Adding what tests and checks need ..."
	@$(PIP) install -r requirements-dev.txt
	@touch $@

.PHONY: clean-env
clean-env: ## remove .venv
	@rm -rf $(VENV)

.PHONY: clean
clean: ## remove everything that is built (not .venv, weights, nor what was promoted)
	@if [ -x $(PY) ]; then $(PY) -m ops.stop || true; fi
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name state -exec rm -rf {} +; fi
	@rm -rf model_store/*.mar model_store/*.war model_store/*.onnx model_store/archives.json model_store/.graphs model_store/.lock
