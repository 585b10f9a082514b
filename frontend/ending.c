/* ending.c: messages about how a run ended, and its exit status. */
#include "frontend/ending.h"

#include <string.h>
#include <unistd.h>

#include "frontend/diag.h"
#include "runtime/text.h"

static void ending_off_tape(const struct rt *rt, struct source *s) {
    struct text what = {0};
    if (rt->end_cell < 0)
        text_fmt(&what, "cell %lld is left of the tape", (long long)rt->end_cell);
    else
        text_fmt(&what, "cell %lld is right of the tape, which has %llu cells",
                 (long long)rt->end_cell, (unsigned long long)tape_cells(&rt->tape));
    if (s != NULL && rt->end_src <= s->size)
        diag_error_at(s, rt->end_src, "%s", what.p);
    else
        diag_error("%s", what.p);
    text_free(&what);
}

enum exit_status ending_report(const struct rt *rt, struct source *s) {
    switch (rt->end) {
    case RUN_DONE:
        return EXIT_ENDED;
    case RUN_OFF_TAPE:
        ending_off_tape(rt, s);
        return EXIT_OFF_TAPE;
    case RUN_IN_ERROR:
        diag_error("cannot read the program's input: %s", strerror(rt->end_errno));
        return EXIT_IO;
    case RUN_OUT_ERROR:
        diag_error("cannot write the program's output: %s", strerror(rt->end_errno));
        return EXIT_IO;
    case RUN_MAX_STEPS:
        diag_error_at(s, rt->end_src, "stopped here by --max-steps");
        return EXIT_MAX_STEPS;
    case RUN_INTERRUPTED:
        return EXIT_SIGNAL + (unsigned)rt->end_errno;
    }
    return EXIT_USAGE;
}

/* A hash of the cells that are not zero and where they are (FNV-1a over 64-bit words). */
static uint64_t ending_hash(const struct tape *t) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (uint64_t i = 0; i < t->bytes; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, t->base + i, sizeof word);
        if (word != 0) {
            h = (h ^ i) * UINT64_C(0x100000001b3);
            h = (h ^ word) * UINT64_C(0x100000001b3);
        }
    }
    return h;
}

void ending_state(const struct rt *rt) {
    struct text t = {0};
    text_fmt(&t, "final-state: pointer %lld, tape %016llx, read %llu, written %llu\n",
             (long long)rt->end_pointer, (unsigned long long)ending_hash(&rt->tape),
             (unsigned long long)rt_bytes_in(rt), (unsigned long long)rt_bytes_out(rt));
    (void)rt_write_all(STDERR_FILENO, t.p, t.len);
    text_free(&t);
}
