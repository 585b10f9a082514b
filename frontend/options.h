/* options.h: the command line.  options.c parses it, manual.c writes the texts about it; both
 * follow the table in options.def. */
#ifndef BFOPT_FRONTEND_OPTIONS_H
#define BFOPT_FRONTEND_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/rt.h"
#include "runtime/text.h"
#include "runtime/tiers.h"

/* Rounds after which compiling a loop is likely to pay (docs/performance.md). */
#define TIER_THRESHOLD 300

#define TAPE_DEFAULT_CELLS (UINT64_C(64) << 20)

enum engine { ENGINE_DEFAULT, ENGINE_TIERED, ENGINE_JIT, ENGINE_INTERP, ENGINE_REF };

/* What bfopt does with the program; ACT_HELP and following need none. */
enum action {
    ACT_RUN,
    ACT_ASM,
    ACT_DUMP_IR,
    ACT_DUMP_DOT,
    ACT_DUMP_ASM,
    ACT_HELP,
    ACT_VERSION,
    ACT_MAN,
    ACT_COMPLETION,
    ACT_LIST_PASSES,
    ACT_LIST_OPS,
};

enum profile_mode { PROFILE_NONE, PROFILE_SAMPLED, PROFILE_EXACT };

/* CPU_DEFAULT: native for code that runs here, x86-64 for -S. */
enum cpu { CPU_DEFAULT, CPU_NATIVE, CPU_X86_64, CPU_V3, CPU_V4 };

struct options {
    const char *file; /* "-": standard input; NULL: the code of -e */
    struct text code; /* -e */
    bool has_code;
    const char *input, *output; /* NULL: the standard ones */

    enum action action;
    enum engine engine;
    bool interp_switch;
    enum tier_max tier_max;
    uint32_t tier_threshold, tier_seed;
    bool tier_wait, tier_log, perf_map;
    enum profile_mode profile;
    unsigned level; /* 0 .. 3 */
    enum cpu cpu;
    bool ir_input;

    unsigned cell_bits;
    enum eof_mode eof;
    uint64_t tape_cells;
    bool strict, debug_hash, guard, sandbox;
    uint64_t max_steps; /* UINT64_MAX: no limit */

    const char *passes, *stop_after;       /* NULL: not given */
    struct text print_before, print_after; /* names with commas between; "all" */
    bool stats, time_passes, final_state;

    uint64_t opt_limit;    /* UINT64_MAX: none */
    uint64_t prerun_steps; /* 0: not given */
    bool verify_each, validate_each, check_ra;
    unsigned max_regs; /* 0: all */
    uint32_t ra_seed;
};

/* Parses the arguments.  False: wrong usage; `why` says what is wrong. */
bool options_parse(struct options *o, int argc, char **argv, struct text *why);
void options_free(struct options *o);

/* ---- the table ---- */

enum option_argument { NONE, VALUE, MAYBE };
enum option_id {
#define GROUP(id, title) OPT_GROUP_##id,
#define OPTION(id, ...)  OPT_##id,
#include "frontend/options.def"
    OPT_COUNT
};
struct option_info {
    char brief;       /* the short name, or 0 */
    const char *name; /* the long one; NULL: this row is the title of a group, in help */
    enum option_argument argument;
    const char *value, *help;
};
extern const struct option_info option_table[OPT_COUNT];
/* Are the possible values exactly the words between `|` in option.value? */
bool option_has_choices(const struct option_info *info);

/* ---- manual.c ---- */

void manual_help(struct text *out);
void manual_page(struct text *out); /* troff */
void manual_bash(struct text *out);

#endif
