/* session.h: runs many programs through the differ, survives crashes, and reports what differs,
 * reduced.  session.c. */
#ifndef BFOPT_TESTS_FUZZ_SESSION_H
#define BFOPT_TESTS_FUZZ_SESSION_H

#include "tests/fuzz/differ.h"

/* How many configurations a program runs under. */
enum effort { EFFORT_QUICK, EFFORT_NORMAL, EFFORT_ALL };

struct session_options {
    struct differ_options differ;
    enum effort effort;
    unsigned sample;    /* not 0: that many configurations a program, drawn from all there are */
    unsigned asm_every; /* not 0: each program of so many is assembled from -S, too */
    unsigned seconds;   /* not 0: stop after so many, and report */
    bool stats;         /* print what the passes did */
};

struct session;
/* Runs one program under all configurations.  Called by a source of programs. */
void session_program(struct session *s, const struct fuzz_program *p);
/* A source calls session_program for each of its programs, in the same order whenever it is called:
 * after a crash it is called again, and what was done already is left out. */
typedef void source_fn(struct session *s, void *arg);

/* Runs all programs of the source, prints the differences and the counts.  True if all agreed. */
bool session_run(const struct session_options *o, source_fn *source, void *arg);

#endif
