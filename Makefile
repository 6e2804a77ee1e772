# SPDX-License-Identifier: MIT
# inkling: one Makefile, no recursion. `make help` lists what it can do.
#
#   make                    build/inkling
#   make check              unit tests, with ASan and UBSan
#   make check V=tsan       the same tests under another variant
#
# V = release debug asan tsan cov fuzz; each has its own build/<V>/ tree.

V ?= release
B := build/$V

CC ?= cc
PKGS := libczmq libzmq libsodium libcjson libmicrohttpd libcurl libjpeg zlib
CFLAGS_V.release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LDFLAGS_V.release := -pie -Wl,-z,relro,-z,now
CFLAGS_V.debug := -O0 -g3
CFLAGS_V.asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_V.asan := -fsanitize=address,undefined
CFLAGS_V.tsan := -O1 -g -fsanitize=thread
LDFLAGS_V.tsan := -fsanitize=thread
CFLAGS_V.cov := -O0 -g --coverage
LDFLAGS_V.cov := --coverage
CFLAGS_V.fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined
LDFLAGS_V.fuzz := -fsanitize=fuzzer,address,undefined
$(if $(CFLAGS_V.$V),,$(error unknown variant V=$V))

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Wundef -Wvla \
        -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wformat=2 -Wswitch-enum
STD := -std=c17 -D_POSIX_C_SOURCE=200809L -I.
ALL_CFLAGS = $(STD) $(WARN) $(if $(WERROR),-Werror) $(CFLAGS_V.$V) $(PKG_CFLAGS) $(CPPFLAGS) $(CFLAGS)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS))
ALL_LDLIBS = $(shell pkg-config --libs $(PKGS)) -lpthread -lm $(LDLIBS)

ASSETS := $(sort $(wildcard model/zoo/*.arch model/pretrained/*.safetensors webui/*/*.html webui/*/*.css \
          webui/jupyter/*.js webui/jupyter/*.json webui/jupyter/*.svg webui/jupyter/*.png))
SRC := $(sort $(wildcard base/*.c model/*.c kernel/*/*.c kernel/notebook.c))
OBJ := $(SRC:%.c=$B/%.o) $B/assets.o
UNIT := $(patsubst tests/unit/%.c,$B/tests/%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZ := $(patsubst tests/fuzz/%.c,$B/tests/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.PHONY: all check check-run fuzz lint format clean help
.SECONDARY:
all: build/inkling                      ## build build/inkling (default)

build/inkling: $B/inkling
	ln -sf $V/inkling $@

$B/inkling: $B/kernel/main.o $(OBJ)
	$(CC) $(LDFLAGS_V.$V) $(LDFLAGS) -o $@ $^ $(ALL_LDLIBS)

$B/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$B/assets.S: $(ASSETS) Makefile
	@mkdir -p $(@D)
	@{ printf '.section .rodata\n'; i=0; for f in $(ASSETS); do printf '.balign 64\nd%d: .incbin "%s"\ne%d: .byte 0\np%d: .string "%s"\n' $$i $$f $$i $$i $$f; i=$$((i+1)); done; \
	  printf '.globl ink_assets_count\n.balign 8\nink_assets_count: .quad %d\n' $$i; printf '.section .data.rel.ro,"aw"\n.globl ink_assets\n.balign 8\nink_assets:\n'; \
	  j=0; while [ $$j -lt $$i ]; do printf '.quad p%d, d%d, e%d - d%d\n' $$j $$j $$j $$j; j=$$((j+1)); done; printf '.section .note.GNU-stack,"",%%progbits\n'; } > $@

$B/assets.o: $B/assets.S
	$(CC) -c -o $@ $<

$B/tests/test_%: $B/tests/unit/test_%.o $(OBJ)
	$(CC) $(LDFLAGS_V.$V) $(LDFLAGS) -o $@ $^ $(ALL_LDLIBS) -lcmocka

$B/tests/fuzz_%: $B/tests/fuzz/fuzz_%.o $(OBJ)
	$(CC) $(LDFLAGS_V.$V) $(LDFLAGS) -o $@ $^ $(ALL_LDLIBS)

check:                                  ## run the unit tests (V=asan unless given)
	@$(MAKE) --no-print-directory check-run V=$(if $(filter command line,$(origin V)),$V,asan)

check-run: $(UNIT)
	@set -e; for t in $^; do $$t; done

fuzz: $(FUZZ)                           ## build the fuzz targets (V=fuzz CC=clang)

lint: compile_commands.json             ## layers, format, clang-tidy
	tests/lint/layers.sh
	clang-format --dry-run -Werror $(shell find base kernel model tests -name '*.[ch]')
	clang-tidy --quiet $(SRC)

compile_commands.json: Makefile $(SRC)
	@{ printf '[\n'; sep=; for f in $(SRC); do \
	  printf '%b{"directory":"%s","file":"%s","command":"%s"}' "$$sep" "$(CURDIR)" $$f \
	    "$(CC) $(STD) $(WARN) -c $$f"; sep=',\n'; done; printf '\n]\n'; } > $@

format:                                 ## rewrite the sources with clang-format
	clang-format -i $(shell find base kernel model tests -name '*.[ch]')

clean:                                  ## remove build/
	rm -rf build compile_commands.json

help:                                   ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' Makefile

-include $(OBJ:.o=.d)
