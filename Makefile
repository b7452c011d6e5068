# The two commands of the README, and what takes long. CMake does the building.
BUILD ?= build
JOBS ?= $(shell nproc)
DEMO := $(BUILD)/demo

.PHONY: demo test program configure setup soak mutation sanitize wheel test-wheel python-wheel bench bench-step bench-growth format format-check install clean

demo: program
	@rm -rf $(DEMO)/fashion-mnist.discreet $(DEMO)/fashion-mnist.owner.html $(DEMO)/fashion-mnist.discreet.run
	@mkdir -p $(DEMO)
	$(BUILD)/discreet train fashion-mnist --epsilon 3 --out $(DEMO)/fashion-mnist.discreet

test: configure
	@tools/peers $(BUILD)
	cmake --build $(BUILD) --parallel $(JOBS)
	ctest --test-dir $(BUILD) --output-on-failure --parallel $(JOBS)

program: configure
	cmake --build $(BUILD) --parallel $(JOBS) --target program

configure: setup
	@[ -e $(BUILD)/build.ninja ] || cmake -G Ninja -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=RelWithDebInfo

setup:
	@tools/setup

# 1,000 kills instead of 50, and the statistical tests on more draws: about an hour.
soak: test
	DISCREET_SOAK=1 ctest --test-dir $(BUILD) --output-on-failure

# Plants each bug of tests/mutants/ in the sources and expects the ordinary tests to notice.
mutation: setup
	tools/mutation $(MUTANTS)

# Address and undefined-behaviour sanitizers over the rooms' tests.
sanitize: setup
	@tools/peers $(BUILD)-sanitize
	cmake -G Ninja -S . -B $(BUILD)-sanitize -DDISCREET_SANITIZE=ON
	cmake --build $(BUILD)-sanitize --parallel $(JOBS)
	ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0 \
	  ctest --test-dir $(BUILD)-sanitize --output-on-failure --label-exclude long

# The same sources against the newest PyTorch that is tested, from PyPI (4.8 GB).
wheel: setup
	[ -e $(BUILD)-wheel/venv/bin/python ] || /usr/bin/python3 -m venv $(BUILD)-wheel/venv
	$(BUILD)-wheel/venv/bin/pip install --quiet torch==2.11.0 numpy pytest
	cmake -G Ninja -S . -B $(BUILD)-wheel \
	  -DLIBTORCH="$$($(BUILD)-wheel/venv/bin/python -c 'import os, torch; print(os.path.dirname(torch.__file__))')"

test-wheel: wheel
	@tools/peers $(BUILD)-wheel
	@tools/rivals $(BUILD)-wheel
	@tools/python_peers $(BUILD)-wheel/venv
	cmake --build $(BUILD)-wheel --parallel $(JOBS)
	ctest --test-dir $(BUILD)-wheel --output-on-failure --parallel $(JOBS)
	tools/torch_versions $(BUILD)-versions

# A wheel of the Python package for the PyTorch that PYTHON has, into dist/.
PYTHON ?= python3
python-wheel:
	$(PYTHON) -m pip wheel --no-deps --wheel-dir dist ./python

# Every measurement beside its rival, one after another; a few minutes on a machine that does nothing else.
bench: configure
	@tools/peers $(BUILD)
	cmake --build $(BUILD) --parallel $(JOBS) --target accounting_bench noise_bench
	$(BUILD)/peers/bin/python bench/accounting.py $(BUILD)/accounting_bench
	OMP_WAIT_POLICY=passive $(BUILD)/noise_bench

# A private training step beside plain ones and the rivals', with the libtorch that they use: an hour or more, likewise.
bench-step: wheel configure
	@tools/rivals $(BUILD)-wheel
	cmake --build $(BUILD)-wheel --parallel $(JOBS) --target step_bench python
	cmake --build $(BUILD) --parallel $(JOBS) --target step_bench
	$(BUILD)-wheel/venv/bin/python bench/step/run.py $(BUILD)-wheel/step_bench $(BUILD)-wheel/steps --debian $(BUILD)/step_bench

# How our step grows with the batch, the sequence, the vocabulary and the layers: ten minutes, likewise.
bench-growth: wheel
	@tools/rivals $(BUILD)-wheel
	cmake --build $(BUILD)-wheel --parallel $(JOBS) --target step_bench
	$(BUILD)-wheel/venv/bin/python bench/step/growth.py $(BUILD)-wheel/step_bench $(BUILD)-wheel/steps

format:
	git ls-files '*.h' '*.cc' | xargs clang-format -i

format-check:
	git ls-files '*.h' '*.cc' | xargs clang-format --dry-run --Werror

install: configure
	cmake --build $(BUILD) --parallel $(JOBS)
	cmake --install $(BUILD)

clean:
	rm -rf $(BUILD) $(BUILD)-sanitize $(BUILD)-wheel
