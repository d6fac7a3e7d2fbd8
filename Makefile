# Each target sets up the pinned tools that it needs inside the checkout, then calls one step of the `twofold` program.

CARGO   ?= cargo
SETUP   ?= scripts/setup.sh
TWOFOLD ?= $(CARGO) run --release --bin twofold --
TRAINER ?= $(CARGO) run --release --package trainer --

# The array: rows 2 to 16, cols 2 to 32.
ROWS    ?= 8
COLS    ?= 16
# What is simulated: the embedded network and its test images, unless CASE, NETWORK, DATA or IMAGES say otherwise.
CASE    ?=
NETWORK ?=
DATA    ?=
IMAGES  ?=
FORMAT  ?= table
# How many random layers `make fuzz` tries, and from which seed.
N       ?= 1000
SEED    ?= 1
# Given to the trainer as they are.
TRAIN_ARGS ?=

ARRAY = --rows $(ROWS) --cols $(COLS)
SIM_ARGS = $(if $(CASE),--case "$(CASE)") $(if $(NETWORK),--network "$(NETWORK)") $(if $(DATA),--data "$(DATA)") \
    $(if $(IMAGES),--images $(IMAGES)) --format $(FORMAT)

.DEFAULT_GOAL = help
.NOTPARALLEL:
.PHONY: help sim report verilog lint wave bench fuzz synth pnr train tools compiler verilator synthesis libtorch \
    test test-twofold test-trainer check ci clean distclean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  variables: ROWS=$(ROWS) COLS=$(COLS) CASE= NETWORK= DATA= IMAGES= FORMAT=$(FORMAT) N=$(N) SEED=$(SEED) TRAIN_ARGS="

sim: verilator ## Run the default network (or CASE, NETWORK) on its images (or DATA) through the RTL and check every bit.
	$(TWOFOLD) sim $(ARRAY) $(SIM_ARGS)

report: ## Print the report of the last run again.
	$(TWOFOLD) report --format $(FORMAT)

verilog: ## Write the accelerator's Verilog and ROM files for ROWS x COLS to build/.
	$(TWOFOLD) verilog $(ARRAY) -o build/verilog
	$(TWOFOLD) compile $(NETWORK) $(ARRAY) -o build/program

lint: verilator ## Lint that Verilog with Verilator -Wall.
	$(TWOFOLD) lint $(ARRAY)

wave: verilator ## Write an FST of one image, for GTKWave or Surfer.
	$(TWOFOLD) wave $(ARRAY)

bench: verilator ## Measure simulated cycles a second on one core.
	$(TWOFOLD) bench $(ARRAY)

fuzz: verilator ## Compare RTL and reference on N random layers, from SEED.
	$(TWOFOLD) fuzz --n $(N) --seed $(SEED)

synth: synthesis ## Synthesize the accelerator for ECP5 with Yosys and check that everything maps.
	$(TWOFOLD) synth $(ARRAY)

pnr: synthesis ## Place and route it for the ULX3S-85F: cells, Fmax, the critical path.
	$(TWOFOLD) pnr $(ARRAY)

train: libtorch ## Train the committed default network again from its seed.
	$(TRAINER) $(TRAIN_ARGS)

tools: verilator synthesis ## Set up Verilator, Yosys and nextpnr in .tools/, without running anything.

libtorch: compiler ## Set up libtorch in .libtorch/, without running anything.
	@$(SETUP) libtorch

test: test-twofold test-trainer ## Run every test, the trainer's too.

test-twofold: verilator synthesis
	$(CARGO) test

test-trainer: libtorch
	$(CARGO) test --package trainer

check: verilator libtorch ## Check formatting, lints, documentation and the RTL's lint.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps
	$(TWOFOLD) lint $(ARRAY)

ci: check test ## What continuous integration runs.

clean: ## Remove what the steps wrote and what cargo built.
	rm -rf build
	$(CARGO) clean

distclean: clean ## Remove the tools too.
	rm -rf .tools .libtorch

compiler:
	@$(SETUP) compiler
verilator: compiler
	@$(SETUP) verilator
synthesis:
	@$(SETUP) synthesis
