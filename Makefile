# Fresh machine: needs python3 (3.11 or newer), make and git. Nothing outside this folder is changed.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
BIN := $(VENV)/bin
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(VENV)

.PHONY: demo test test-processors lint types clean help

help:
	@echo "make demo    set up .venv, train on built-in images, write a report"
	@echo "make test    set up .venv, run all tests"
	@echo "make lint    style and types"
	@echo "make clean   remove .venv"
	@echo "make test-processors    all tests, rounded as processors with AVX2 and with SSE alone round (by hand: an hour)"

demo: $(READY)
	$(BIN)/zorki demo

test: $(READY)
	$(BIN)/python -m pytest

# As processors without AVX-512 and without AVX: the kernels of PyTorch, oneDNN, MKL and OpenBLAS round otherwise there.
AVX2 := ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 OPENBLAS_CORETYPE=Haswell
SSE := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 OPENBLAS_CORETYPE=Nehalem

test-processors: $(READY)
	$(AVX2) $(BIN)/python -m pytest --timeout 900; first=$$?; $(SSE) $(BIN)/python -m pytest --timeout 900 && exit $$first

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# uv with the lock where it can be had; else plain pip, with the pair of torch and torchvision that belong together.
$(READY): pyproject.toml lite/pyproject.toml uv.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if (command -v uv >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet "uv>=0.9") && \
		PATH="$(CURDIR)/$(BIN):$$PATH" uv sync --frozen --inexact --extra all --group dev; then :; else \
		echo "uv or its lock does not serve here (see above): falling back to pip"; \
		$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1" && \
		$(BIN)/python -m pip install --quiet torch==2.14.1 torchvision==0.29.1 && \
		$(BIN)/python -m pip install --quiet -e ./lite -e ".[all]" --group dev; \
	fi
	touch $(READY)

clean:
	rm -rf $(VENV)
