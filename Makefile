# Each target sets up the pinned tools that it needs inside the checkout, then calls one step of the `twofold` program.

CARGO   ?= cargo
SETUP   ?= scripts/setup.sh
TIMED   ?= scripts/timed.sh
SUITES  ?= scripts/suites.sh
TWOFOLD ?= $(CARGO) run --release --bin twofold --
TRAINER ?= $(CARGO) run --release --package trainer --

# The array: rows 2 to 16, cols 2 to 32. Empty is 8 x 16, or what CASE brings. Lanes, the output channels drained a cycle,
# are even, divide twice the rows and are at most the columns; empty is 4, or 2 on the smallest arrays.
ROWS    ?=
COLS    ?=
LANES   ?=
# Bytes that its input takes a cycle: 1, 2, 4, 8 or 16. Empty is 4, or what CASE brings.
PORT_BYTES ?=
# Columns that share a mask: 1 to all of them. Empty is all, or what CASE brings.
MASK_COLUMNS ?=
# What is run: the embedded network on its test images, unless these say otherwise. CASE is a name in tests/cases,
# NETWORK a folder, DATA a folder of class folders of images, IMAGES a number.
CASE    ?=
NETWORK ?=
DATA    ?=
IMAGES  ?=
# Not empty: memories just as deep as the network needs.
FIT     ?=
# Not empty: `make synth` and `make pnr` keep the accumulators in look-up tables, where block RAMs are short.
LUT_ACCUMULATORS ?=
# What runs the Verilog in `make sim`: verilator, or the machine's icarus, far slower, for small networks.
SIMULATOR ?= verilator
# How results are printed: table or json.
FORMAT  ?= table
# How many random layers `make fuzz` tries, or inputs `make verify` and `make mlperf`, and from which seed; it also chooses the MUTANTS.
N       ?= 1000
SEED    ?= 1
# A .tflite or .onnx file for `make verify`; the folder of the published ones for `make mlperf`.
MODEL   ?=
MODELS  ?=
# The clock that `make pnr` tries to reach, in MHz.
CLOCK_MHZ  ?= 100
# What `make table` trains: mstar, cifar100, sar-sim or a TOML file; over how many seeds, how many runs at once (empty: one a
# core), and other options of `trainer table`.
TABLE      ?= mstar
SEEDS      ?= 3
JOBS       ?=
TABLE_ARGS ?=
# How many mutants of the Verilog are run, chosen by SEED; empty: all.
MUTANTS    ?=
# A Python that has PyTorch, for `make bench`. Empty sets one up in .tools/, 2.3 GB to download.
PYTORCH    ?=
# Options of `trainer train`; none trains the embedded network again and compares every bit.
TRAIN_ARGS ?=

# torch-sys reads these as well: each would have the trainer built against something else than LIBTORCH.
unexport LIBTORCH_USE_PYTORCH LIBTORCH_INCLUDE LIBTORCH_LIB LIBTORCH_STATIC LIBTORCH_CXX11_ABI LIBTORCH_BYPASS_VERSION_CHECK
ifeq ($(strip $(LIBTORCH)),)
unexport LIBTORCH
endif

ARRAY_ARGS   = $(if $(ROWS),--rows $(ROWS)) $(if $(COLS),--cols $(COLS)) $(if $(LANES),--lanes $(LANES)) \
               $(if $(PORT_BYTES),--port-bytes $(PORT_BYTES)) $(if $(MASK_COLUMNS),--mask-columns $(MASK_COLUMNS))
NETWORK_ARGS = $(if $(CASE),--case "$(CASE)") $(if $(NETWORK),--network "$(NETWORK)")
RUN_ARGS     = $(NETWORK_ARGS) $(if $(DATA),--data "$(DATA)") $(ARRAY_ARGS) $(if $(FIT),--fit)
SYNTH_ARGS   = $(if $(LUT_ACCUMULATORS),--lut-accumulators)
VERIFY_ARGS  = -n $(N) --seed $(SEED) $(if $(DATA),--data "$(DATA)") $(ARRAY_ARGS) --format $(FORMAT)
TRAINER_FORMAT = $(if $(filter json,$(FORMAT)),--format json)

.DEFAULT_GOAL = help
.NOTPARALLEL:
.PHONY: help sim report verilog lint wave bench bench-sim bench-training shapes fuzz verify mlperf synth pnr train table tools compiler verilator \
    synthesis runtimes libtorch pytorch test test-setup test-rust mutants check ci clean distclean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Variables, explained in the Makefile: ROWS COLS LANES PORT_BYTES CASE NETWORK DATA IMAGES FIT LUT_ACCUMULATORS SIMULATOR FORMAT N SEED CLOCK_MHZ TRAIN_ARGS"
	@echo "  TABLE SEEDS JOBS TABLE_ARGS PYTORCH MUTANTS"

sim: $(if $(filter icarus,$(SIMULATOR)),,verilator) ## Run a network (CASE, NETWORK) on images (DATA): check every bit of the RTL, report cycles between images.
	$(TWOFOLD) sim $(RUN_ARGS) --simulator $(SIMULATOR) $(if $(IMAGES),--images $(IMAGES)) --format $(FORMAT)

report: ## Print the report of the last run again.
	$(TWOFOLD) report --format $(FORMAT)

verilog: ## Write the accelerator's Verilog and ROM files for ROWS x COLS to build/.
	$(TWOFOLD) verilog $(ARRAY_ARGS) -o build/verilog
	$(TWOFOLD) compile $(if $(CASE),--case "$(CASE)") $(if $(NETWORK),"$(NETWORK)") $(ARRAY_ARGS) -o build/program

lint: verilator ## Lint that Verilog with Verilator -Wall.
	$(TWOFOLD) lint $(ARRAY_ARGS)

wave: verilator ## Write an FST of one image, for GTKWave or Surfer.
	$(TWOFOLD) wave $(RUN_ARGS)

bench: bench-sim bench-training ## Measure simulated cycles a second, and training beside Python PyTorch, on one core.

bench-sim: verilator
	$(TWOFOLD) bench $(if $(CASE),--case "$(CASE)") $(ARRAY_ARGS) --format $(FORMAT)

bench-training: libtorch pytorch
	$(TRAINER) bench $(if $(PYTORCH),--python "$(PYTORCH)") $(TRAINER_FORMAT)

shapes: verilator ## How busy is the array with layers of many shapes, dense and half-pruned? Beside each the bound, and what sets it.
	$(TWOFOLD) shapes $(ARRAY_ARGS) --format $(FORMAT)

fuzz: verilator ## Compare RTL and reference on N random layers, from SEED.
	$(TWOFOLD) fuzz --n $(N) --seed $(SEED) $(ARRAY_ARGS) --format $(FORMAT)

verify: verilator runtimes ## Compare every map of the model MODEL with LiteRT or onnxruntime, on N inputs, half of them images of DATA.
	$(TWOFOLD) verify "$(MODEL)" $(VERIFY_ARGS)

mlperf: verilator runtimes ## Do that with the published networks of MLPerf Tiny in the folder MODELS, and measure them.
	$(TWOFOLD) mlperf --models "$(MODELS)" $(VERIFY_ARGS)

synth: synthesis ## Synthesize the accelerator for ECP5 with Yosys and check that everything maps.
	$(TWOFOLD) synth $(NETWORK_ARGS) $(ARRAY_ARGS) $(SYNTH_ARGS) --format $(FORMAT)

pnr: synthesis ## Place and route it for the ULX3S-85F: cells, Fmax, the critical path.
	$(TWOFOLD) pnr $(NETWORK_ARGS) $(ARRAY_ARGS) $(SYNTH_ARGS) --clock-mhz $(CLOCK_MHZ) --format $(FORMAT)

train: libtorch ## Train the committed default network again from its seed.
	$(TRAINER) train $(if $(TRAIN_ARGS),$(TRAIN_ARGS),--expect networks/sar-sim-s2d --output build/train --replace) $(TRAINER_FORMAT)

table: libtorch verilator ## Train and compare every row of TABLE on DATA, over SEEDS seeds; goes on where it was cut off.
	$(TRAINER) table "$(TABLE)" $(if $(DATA),--data "$(DATA)") --seeds $(SEEDS) $(if $(JOBS),--jobs $(JOBS)) $(TRAINER_FORMAT) $(TABLE_ARGS)

tools: verilator synthesis ## Set up Verilator, Yosys and nextpnr in .tools/, without running anything.

libtorch: compiler ## Set up libtorch in .libtorch/, without running anything.
	@$(SETUP) libtorch

test: test-setup test-rust ## Run every test, the trainer's too, and say how long each suite took.

test-setup:
	@$(TIMED) $@ $(or $(PYTHON),python3) -I scripts/test_setup.py

# One call for all crates: in two, with other features, crates that both need would be compiled twice.
test-rust: verilator synthesis libtorch
	@$(TIMED) $@ $(SUITES) $(CARGO) test --workspace --no-fail-fast

mutants: verilator synthesis ## Which small mistakes in the Verilog do tests notice? All, or N (MUTANTS=300) of them; goes on where it was cut off.
	$(CARGO) run --quiet --package twofold-tests --bin mutants -- $(if $(MUTANTS),-n $(MUTANTS) --seed $(SEED)) $(if $(JOBS),--jobs $(JOBS))

check: verilator libtorch ## Check formatting, lints, documentation and the RTL's lint.
	$(CARGO) fmt --all --check
	@$(TIMED) clippy $(CARGO) clippy --workspace --all-targets -- -D warnings
	@RUSTDOCFLAGS="-D warnings" $(TIMED) documentation $(CARGO) doc --workspace --no-deps
	@$(TIMED) lint $(CARGO) run --bin twofold -- lint $(ARRAY_ARGS)

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
runtimes:
	@$(SETUP) runtimes
pytorch:
	@PYTORCH="$(PYTORCH)" $(SETUP) pytorch
