/* irgen.h: functions made of bytes: whatever the bytes, the function is valid.  irgen.c. */
#ifndef BFOPT_TESTS_FUZZ_IRGEN_H
#define BFOPT_TESTS_FUZZ_IRGEN_H

#include <stddef.h>
#include <stdint.h>

#include "ir/ir.h"

/* Bytes taken one after the other; zeros behind the end. */
struct byte_reader {
    const uint8_t *at, *end;
};
static inline uint8_t next_byte(struct byte_reader *r) {
    return r->at < r->end ? *r->at++ : 0;
}

/* A function: the first byte chooses width and whether it is a program, the others are statements.
 * Every operation of the IR but TOUCH, HASH and CALL can come up, in nests of conditions and loops
 * that builds from Brainfuck never have. */
struct func *irgen_make(struct byte_reader *r);

#endif
