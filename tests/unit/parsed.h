/* parsed.h: the operations of a program given as text, for tests that start from a source. */
#ifndef BFOPT_TESTS_UNIT_PARSED_H
#define BFOPT_TESTS_UNIT_PARSED_H

#include <criterion/criterion.h>
#include <string.h>

#include "frontend/parse.h"

/* `#` counts; a test fails if the program does not parse.  The result is to be freed. */
static inline struct program parsed(const char *code) {
    struct program p;
    struct parse_options o = {.hash = true};
    struct parse_result r = parse_program(&p, (const uint8_t *)code, 0, (uint32_t)strlen(code), &o);
    cr_assert_eq(r.error, PARSE_OK);
    return p;
}

#endif
