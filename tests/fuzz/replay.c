/* SPDX-License-Identifier: MIT */
/*
 * replay: run a fuzz target over its corpus, without a fuzzer.
 *
 *   replay_NAME FOLDER    every file, and every file cut in half and without its last byte
 *
 * Any sanitizer report or failed assertion ends the program.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int
replay(const char *path)
{
    struct ink_buf input = {0};
    struct ink_err err;
    size_t size;

    if (ink_buf_load(&input, path, 16 << 20, &err)) {
        (void)printf("%s\n", err.message);
        return 1;
    }
    /* A copy of exactly the size, so that a read behind the end is seen. */
    for (size_t part = 0; part < 3; part++) {
        size = part == 0 ? input.size : part == 1 ? input.size / 2 : input.size - (input.size > 0);
        uint8_t *bytes = malloc(size ? size : 1);

        if (!bytes)
            return 1;
        if (size)
            memcpy(bytes, input.bytes, size);
        (void)LLVMFuzzerTestOneInput(bytes, size);
        free(bytes);
    }
    ink_buf_fini(&input);
    return 0;
}

int
main(int argc, char **argv)
{
    int passed = 0, failed = 0;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *entry;

    if (!folder) {
        (void)printf("usage: replay_NAME FOLDER\n");
        return 64;
    }
    while ((entry = readdir(folder))) {
        char path[1024];

        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        (void)printf("%s\n", path);
        (void)fflush(stdout);
        if (replay(path))
            failed++;
        else
            passed++;
    }
    (void)closedir(folder);
    (void)printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed ? 1 : 0;
}
