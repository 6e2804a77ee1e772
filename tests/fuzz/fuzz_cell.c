/* SPDX-License-Identifier: MIT */
/* A cell taken apart: lines and words lie in order inside the text; checking and arguments agree.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "kernel/command/cell.h"
#include "kernel/command/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
check_line(const struct ink_line *line, size_t before, size_t size)
{
    size_t at = line->start;

    assert(line->word_count > 0 && line->block);
    assert(line->start >= before && line->start <= line->end);
    assert(line->end <= line->block_end && line->block_end <= size);
    for (size_t i = 0; i < line->word_count; i++) {
        const struct ink_word *word = &line->word[i];

        assert(word->start >= at && word->start < word->end && word->end <= line->end);
        assert(strlen(word->text) <= word->end - word->start);
        at = word->end;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *code = (const char *)bytes, *indent = NULL;
    struct ink_lines lines = {0};
    struct ink_err err = {0};
    enum ink_cell_state state = ink_cell_check(code, size, &indent);
    size_t before = 0;

    assert(indent);
    if (ink_lines_parse(code, size, &lines, &err) != INK_OK) {
        assert(state == INK_CELL_INVALID && lines.count == 0 && err.message[0]);
        return 0;
    }
    assert(ink_utf8_is_valid(code, size));
    for (size_t i = 0; i < lines.count; i++) {
        const struct ink_line *line = &lines.line[i];
        const struct ink_command *command = ink_command_find(line->word[0].text);
        const char *words[INK_WORDS_MAX];
        struct ink_args args = {0};

        check_line(line, before, size);
        before = line->block_end;
        for (size_t w = 1; w < line->word_count; w++)
            words[w - 1] = line->word[w].text;
        if (command && ink_args_parse(command, words, line->word_count - 1, &args, &err) == INK_OK)
            assert(args.is_help ||
                   (args.word_count >= command->word_min && args.word_count <= command->word_max));
        ink_args_fini(&args);
    }
    ink_lines_fini(&lines);
    return 0;
}
