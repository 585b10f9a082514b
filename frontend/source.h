/* source.h: the text of a program and the positions in it.  source.c. */
#ifndef BFOPT_FRONTEND_SOURCE_H
#define BFOPT_FRONTEND_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;

/* Offsets are 32-bit and counts of commands must fit an int32_t. */
#define SOURCE_MAX_SIZE ((uint64_t)INT32_MAX)

struct source {
    const char *name; /* for messages; not owned */
    uint8_t *text;    /* size bytes and a NUL behind them */
    uint32_t size;
    bool mapped;              /* the text is the file itself: it can be lost */
    uint32_t start;           /* where the program starts: behind a first line `#!...` */
    struct source_mark *mark; /* made by the first source_position */
};

/* 1-based; the column counts bytes. */
struct position {
    uint32_t line, column;
    uint32_t line_start; /* byte offset of the line's first byte */
};

/* Reads the file `path`, or standard input if it is "-"; a large file is mapped instead if `map`
 * allows it.  False: it could not be read, `why` says what is wrong (without the name). */
bool source_read(struct source *s, const char *path, bool map, struct text *why);
/* Has a mapped file become shorter since, so that text was asked for that is gone?  What was made
 * of the text before is not to be trusted then. */
bool source_lost(const struct source *s);
/* Takes a copy of n bytes. */
bool source_copy(struct source *s, const char *name, const char *bytes, size_t n, struct text *why);
void source_free(struct source *s);

/* The position of a byte; amortized constant time, for any offset up to size. */
struct position source_position(struct source *s, uint32_t offset);
/* The end of the line that starts at line_start: offset of its newline, or size. */
uint32_t source_line_end(const struct source *s, uint32_t line_start);

#endif
