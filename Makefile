# SPDX-License-Identifier: MIT
# inkling: one Makefile, no recursion. `make help` lists what it can do.
#
#   make                    build/inkling
#   make check V=tsan       the unit tests under another variant than asan
#   make VERBOSE=1          show the commands;   make WERROR=1   warnings are errors
#
# V = release debug asan tsan cov fuzz; each has its own build/<V>/ tree.

V ?= release
B := build/$V
PREFIX ?= /usr/local
DATA := $(or $(INKLING_DATA),../shared/data)
export INKLING_DATA := $(abspath $(DATA))

CC ?= cc
# pkg-config name and Debian package; stb is headers only
LIBS := libczmq:libczmq-dev libzmq:libzmq3-dev libsodium:libsodium-dev libcjson:libcjson-dev zlib:zlib1g-dev \
        libmicrohttpd:libmicrohttpd-dev libcurl:libcurl4-openssl-dev libjpeg:libjpeg62-turbo-dev stb:libstb-dev \
        libprotobuf-c:libprotobuf-c-dev
PKGS := $(filter-out stb,$(foreach lib,$(LIBS),$(firstword $(subst :, ,$(lib)))))
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
          $(if $(filter x86_64 amd64,$(shell uname -m)),-fcf-protection=full)
CFLAGS_V.release := -O2 -g -fPIE $(HARDEN)
LDFLAGS_V.release := -pie -Wl,-z,relro,-z,now,-z,noexecstack
CFLAGS_V.debug := -O0 -g3
CFLAGS_V.asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_V.asan := -fsanitize=address,undefined
CFLAGS_V.tsan := -O1 -g -fsanitize=thread
LDFLAGS_V.tsan := -fsanitize=thread
CFLAGS_V.cov := -O0 -g --coverage -fprofile-update=atomic
LDFLAGS_V.cov := --coverage
CFLAGS_V.fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined
LDFLAGS_V.fuzz := -fsanitize=fuzzer,address,undefined
$(if $(CFLAGS_V.$V),,$(error unknown variant V=$V))

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Wundef -Wvla \
        -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wformat=2 -Wswitch-enum
STD := -std=c17 -D_POSIX_C_SOURCE=200809L -I. -isystem build/gen
ALL_CFLAGS = $(STD) $(WARN) $(if $(WERROR),-Werror) $(CFLAGS_V.$V) $(PKG_CFLAGS) $(CPPFLAGS) $(CFLAGS)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
# libcurl is loaded by model/download.c, when something is downloaded
ALL_LDLIBS = $(shell pkg-config --libs $(filter-out libcurl,$(PKGS))) -lpthread -lm -ldl $(LDLIBS)
LINK = $(call say,LD,$@)$(CC) $(LDFLAGS_V.$V) $(LDFLAGS) -o $@ $^ $(ALL_LDLIBS)
say = @$(if $(VERBOSE),,printf '  %-5s %s\n' $1 $2;)

# Files that become part of the program (base/assets.h), by their path from here.
WEBUI := $(wildcard webui/*.js webui/views/*.js webui/transport/*.js)
ASSETS := $(sort build/gen/webui/inkling.js $(wildcard model/zoo/*.arch model/zoo/*.json model/pretrained/*.safetensors webui/page/* \
          webui/jupyter/*.js webui/jupyter/*.svg webui/jupyter/*.png webui/jupyter/lab/*))
# The arithmetic is one source for three instruction sets; model/kernels/kernels.c chooses at run time.
SIMD := baseline $(if $(filter x86_64 amd64,$(shell uname -m)),avx2 avx512)
SIMD_SRC := $(sort $(filter-out model/kernels/simd_bf16%,$(wildcard model/kernels/simd*.c)))
SIMD_OBJ = $(foreach isa,$(SIMD),$(SIMD_SRC:model/kernels/%.c=$B/model/kernels/$(isa)/%.o)) \
           $(if $(filter avx512,$(SIMD)),$(patsubst model/kernels/%.c,$B/model/kernels/avx512bf16/%.o,$(wildcard model/kernels/simd_bf16*.c)))
SIMD_FLAGS := -O3 -Wno-unknown-pragmas -ffp-contract=fast -fno-math-errno -fno-trapping-math
SIMD_FLAGS.avx2 := -mavx2 -mfma
SIMD_FLAGS.avx512 := -mavx512f -mavx512vl -mavx512bw -mavx512dq -mfma -mprefer-vector-width=512
SIMD_FLAGS.avx512bf16 := $(SIMD_FLAGS.avx512) -mavx512bf16
SRC := $(sort $(filter-out kernel/main.c kernel/ranks.c model/kernels/simd%.c model/parallel/%.c,$(wildcard base/*.c model/*.c model/*/*.c kernel/*.c kernel/*/*.c)))
OBJ := $(SRC:%.c=$B/%.o) $(SIMD_OBJ) $B/gen/model/onnx/onnx.pb-c.o $B/assets.o
# MPI is in a program of its own: loading it would cost every start of the other.
MPI := $(shell pkg-config --exists ompi-c 2>/dev/null && echo yes)
UNIT := $(patsubst tests/unit/%.c,$B/tests/%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZ := $(patsubst tests/fuzz/%.c,$B/tests/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
# Compiled with the unit tests, so that they do not rot between two measurements.
BENCH_OBJ := $(patsubst %.c,$B/%.o,$(sort $(wildcard tests/bench/*.c)))

.PHONY: all notebook check check-run test test-lab bench zoo golden fuzz coverage lint tidy format install install-user uninstall clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:
all: build/inkling $(if $(filter yes 1,$(MPI)),build/inkling-mpi) ## build build/inkling (the default); MPI=1 or Open MPI there: inkling-mpi too

build/inkling build/inkling-mpi: build/%: $B/% FORCE
	@[ "$$(readlink $@)" = $V/$* ] || ln -sf $V/$* $@

$B/inkling: $B/kernel/main.o $B/kernel/ranks.o $B/model/parallel/alone.o $(OBJ); $(LINK)
$B/inkling-mpi: $B/kernel/main.o $B/kernel/ranks.o $B/model/parallel/mpi.o $(OBJ); $(LINK) $(shell pkg-config --libs ompi-c)
$B/model/parallel/mpi.o: PKG_CFLAGS += $(patsubst -I%,-isystem %,$(shell pkg-config --cflags ompi-c))

$B/libs.ok: Makefile
	@mkdir -p $(@D); command -v pkg-config >/dev/null || { echo 'pkg-config is missing: apt-get install pkg-config' >&2; exit 1; }; bad=0; \
	 for lib in $(LIBS); do pkg-config --exists $${lib%:*} || { echo "$${lib%:*} is missing: apt-get install $${lib#*:}" >&2; bad=1; }; done; \
	 command -v protoc-c >/dev/null || { echo 'protoc-c is missing: apt-get install protobuf-c-compiler' >&2; bad=1; }; \
	 [ $$bad = 0 ] || { echo 'or all of them: .ci/deps build' >&2; exit 1; }; touch $@

$B/%.o: %.c Makefile | $B/libs.ok
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

build/gen/%.pb-c.c build/gen/%.pb-c.h: %.proto | $B/libs.ok
	@mkdir -p $(@D)
	$(call say,GEN,$@)protoc-c --c_out=build/gen $<

$B/gen/%.o: build/gen/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(STD) $(CFLAGS_V.$V) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

$B/model/onnx/onnx.o: build/gen/model/onnx/onnx.pb-c.h

build/gen/webui/inkling.js: webui/bundle.sh $(WEBUI)
	@mkdir -p $(@D)
	$(call say,GEN,$@)webui/bundle.sh webui/main.js >$@

define SIMD_RULE
$B/model/kernels/$1/%.o: model/kernels/%.c Makefile | $B/libs.ok
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)$$(CC) $$(ALL_CFLAGS) $$(SIMD_FLAGS) $$(SIMD_FLAGS.$1) -DINK_SIMD=$1 -MMD -MP -c -o $$@ $$<
endef
$(foreach isa,$(SIMD) avx512bf16,$(eval $(call SIMD_RULE,$(isa))))

$B/assets.S: base/assets.sh $(ASSETS) Makefile
	@mkdir -p $(@D)
	$(call say,GEN,$@)base/assets.sh $(ASSETS) >$@

$B/assets.o: $B/assets.S
	@$(CC) -c -o $@ $<

$B/tests/test_%: $B/tests/unit/test_%.o $(OBJ); $(LINK) -lcmocka
$B/tests/echo_kernel: $B/tests/protocol/echo_kernel.o $(filter-out $B/base/assets.o,$(filter $B/base/% $B/kernel/jupyter/%,$(OBJ))); $(LINK)
$B/tests/replay_%: $B/tests/fuzz/fuzz_%.o $B/tests/fuzz/replay.o $(OBJ); $(LINK)
$B/tests/bench_net: $B/tests/bench/profile.o
$B/tests/bench_%: $B/tests/bench/bench_%.o $(OBJ); $(LINK)
$B/tests/fuzz_%: $B/tests/fuzz/fuzz_%.o $(OBJ); $(LINK)

notebook:                               ## install what is missing, build, open Jupyter (PORT=8888 TOKEN=random)
	@.ci/deps build notebook && $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$$(nproc)) all && .ci/notebook

check:                                  ## unit tests under ASan and UBSan (or V=tsan ...)
	@$(MAKE) --no-print-directory check-run V=$(if $(filter command line,$(origin V)),$V,asan)

check-run: $(BENCH_OBJ) $(UNIT)
	@set -e; for t in $(UNIT); do $$t; done

test:                                   ## install what the tests need, run all of them (SUITES="unit http")
	@.ci/deps build test && tests/run $(SUITES)

test-lab:                               ## browser tests in JupyterLab 4 and Notebook 7, in debootstrap roots (as root)
	@.ci/deps build test lab && tests/lab/run

bench: all                              ## measure, beside PyTorch, ONNX Runtime and ipykernel
	@tests/bench/run $(BENCH)

zoo: all                                ## train every network, hours; model/zoo/README.md (ZOO="keras resnet")
	@tests/bench/zoo $(ZOO)

golden: all                             ## execute the notebooks and write their outputs; look at the difference
	@tests/notebook/execute.py notebooks/*.ipynb

fuzz:                                   ## run each fuzz target for T=60 seconds
	@$(MAKE) --no-print-directory V=fuzz CC=clang $(FUZZ:$B/%=build/fuzz/%) && tests/fuzz/run $(or $T,60)

coverage:                               ## lines that the unit tests reach
	@$(MAKE) --no-print-directory check-run V=cov && gcovr -r . --object-directory build/cov --exclude tests/ -s

lint:                                   ## layers, format, bans, sizes, the README's map
	@tests/lint/run

tidy: compile_commands.json             ## clang-tidy, takes minutes
	@printf '%s\n' $(SRC) | xargs -P $$(nproc) -n 1 clang-tidy --quiet

format:                                 ## rewrite the sources with clang-format
	clang-format -i $(shell find base kernel model tests -name '*.[ch]')

compile_commands.json: Makefile $(SRC) build/gen/model/onnx/onnx.pb-c.h
	@{ printf '['; sep=; for f in $(SRC); do printf '%s\n{"directory": "$(CURDIR)", "file": "%s", "command": "$(CC) $(STD) $(WARN) -c %s"}' "$$sep" $$f $$f; sep=,; done; printf '\n]\n'; } >$@

install: all                            ## program, man page, kernelspec, Lab extension below PREFIX (and DESTDIR)
	@.ci/install install '$(DESTDIR)' '$(PREFIX)'

install-user: all                       ## the same for you alone: PREFIX=~/.local
	@.ci/install install '' "$$HOME/.local"

uninstall:                              ## remove what install put below PREFIX
	@.ci/install uninstall '$(DESTDIR)' '$(PREFIX)'

clean:                                  ## remove build/
	rm -rf build compile_commands.json

help:                                   ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-13s %s\n", $$1, $$2}' Makefile

-include $(OBJ:.o=.d) $B/kernel/main.d $B/kernel/ranks.d $B/model/parallel/alone.d $B/model/parallel/mpi.d $(UNIT:$B/tests/%=$B/tests/unit/%.d) $(FUZZ:$B/tests/%=$B/tests/fuzz/%.d) $(wildcard $B/tests/bench/*.d)
