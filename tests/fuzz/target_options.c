/* target_options.c: any bytes as a command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/options.h"
#include "runtime/alloc.h"
#include "tests/fuzz/targets.h"

static void check(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "fuzz target: %s\n", what);
    abort();
}

#define MAX_ARGUMENTS 24

void target_options(const uint8_t *bytes, size_t n) {
    char *copy = xcalloc(n + 2, 1), *argv[MAX_ARGUMENTS + 2] = {(char *)(uintptr_t) "bfopt"};
    int argc = 1;
    if (n > 0)
        memcpy(copy, bytes, n);
    for (size_t at = 0; at < n && argc <= MAX_ARGUMENTS; at += strlen(copy + at) + 1)
        argv[argc++] = copy + at;
    struct options o;
    struct text why = {0};
    bool ok = options_parse(&o, argc, argv, &why);
    check(ok == (why.len == 0), "an error without a message, or a message without one");
    if (ok) {
        check(o.level <= 3, "a level that is none");
        check(o.cell_bits == 8 || o.cell_bits == 16 || o.cell_bits == 32 || o.cell_bits == 64,
              "a width that is none");
        check(o.tape_cells > 0, "no tape");
        check(o.max_regs == 0 || (o.max_regs >= 3 && o.max_regs <= 15), "registers that are none");
        check(o.action >= ACT_HELP || (o.file == NULL) == o.has_code, "no program, or two");
    }
    options_free(&o);
    text_free(&why);
    xfree(copy);
}
