/* parse.h: from source text to struct program.  parse.c. */
#ifndef BFOPT_FRONTEND_PARSE_H
#define BFOPT_FRONTEND_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/program.h"

struct parse_options {
    bool hash;       /* `#` is an operation */
    bool bang;       /* a `!` outside all brackets, after a `,`, ends the program */
    bool one_by_one; /* no runs: every command is an operation of its own */
};

enum parse_error_kind { PARSE_OK, PARSE_UNMATCHED_OPEN, PARSE_UNMATCHED_CLOSE };

struct parse_result {
    enum parse_error_kind error;
    uint32_t at;    /* offset of the bracket without a partner (of several `[`, the first) */
    uint32_t count; /* how many `[` have no partner */
    uint32_t end;   /* where the program ended: offset of the `!`, or size */
};

/* Parses text[start .. size); text[size] must be 0.  On an error p is empty.  Free p with
 * program_free. */
struct parse_result parse_program(struct program *p, const uint8_t *text, uint32_t start,
                                  uint32_t size, const struct parse_options *options);
void program_free(struct program *p);

#endif
