/* options.c: parses the command line by the table.
 *
 * Options may stand before and after the file, `--` ends them; short ones can be joined (-Se) and
 * take their value attached or as the next argument; long ones take it after `=` or as the next
 * argument (optional values only after `=`).  Of contradicting options the last one counts.
 */
#include "frontend/options.h"

#include <assert.h>
#include <string.h>

#include "runtime/bug.h"

const struct option_info option_table[OPT_COUNT] = {
#define GROUP(id, title) [OPT_GROUP_##id] = {0, NULL, NONE, "", title},
#define OPTION(id, brief, name, argument, value, help)                                             \
    [OPT_##id] = {brief, name, argument, value, help},
#include "frontend/options.def"
};

bool option_has_choices(const struct option_info *info) {
    /* PASS,...|all is a list of names, not of words. */
    return strchr(info->value, '|') != NULL && strchr(info->value, '.') == NULL &&
           strchr(info->value, '[') == NULL;
}

/* ---- values ---- */

/* A decimal number with an optional suffix, each step of which is worth `kilo`. */
static bool opt_number(const char *s, uint64_t kilo, uint64_t *n) {
    *n = 0;
    if (*s < '0' || *s > '9')
        return false;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(*n, UINT64_C(10), n) ||
            __builtin_add_overflow(*n, (uint64_t)(*s - '0'), n))
            return false;
    static const char suffix[] = "kmg";
    const char *at = *s == '\0' ? NULL : strchr(suffix, *s | 0x20);
    if (*s != '\0' && (at == NULL || s[1] != '\0'))
        return false;
    for (const char *p = suffix; at != NULL && p <= at; p++)
        if (__builtin_mul_overflow(*n, kilo, n))
            return false;
    return true;
}

/* The place of `word` among the words of `choices`, which stand between `|`, or -1. */
static int opt_choice(const char *choices, const char *word) {
    size_t len = strlen(word);
    for (int i = 0;; i++) {
        size_t n = strcspn(choices, "|");
        if (n == len && memcmp(choices, word, n) == 0)
            return i;
        if (choices[n] == '\0')
            return -1;
        choices += n + 1;
    }
}

static void opt_join(struct text *list, const char *names) {
    if (list->len != 0)
        text_char(list, ',');
    text_put(list, names);
}

/* ---- applying one option ---- */

static bool opt_count(struct text *why, const char *value, uint64_t kilo, uint64_t low,
                      uint64_t high, uint64_t *n) {
    if (opt_number(value, kilo, n) && *n >= low && *n <= high)
        return true;
    text_fmt(why, "bad number `%s`", value);
    if (high < UINT64_MAX - 1)
        text_fmt(why, ": %llu to %llu are possible", (unsigned long long)low,
                 (unsigned long long)high);
    return false;
}

static bool opt_apply_number(struct options *o, enum option_id id, const char *value,
                             struct text *why) {
    uint64_t n;
    assert(value != NULL); /* the table gives each of these a value */
    switch ((int)id) {
    case OPT_TAPE:
        return opt_count(why, value, 1024, 1, UINT64_C(1) << 46, &o->tape_cells);
    case OPT_MAX_STEPS:
        return opt_count(why, value, 1000, 0, UINT64_MAX - 1, &o->max_steps);
    case OPT_OPT_LIMIT:
        return opt_count(why, value, 1000, 0, UINT64_MAX, &o->opt_limit);
    case OPT_PRERUN_STEPS:
        if (!opt_count(why, value, 1000, 0, UINT64_MAX, &n))
            return false;
        o->prerun_steps = n != 0 ? n : 1; /* one step is none, and 0 the usual */
        return true;
    case OPT_MAX_REGS:
        if (!opt_count(why, value, 1000, 3, 15, &n))
            return false;
        o->max_regs = (unsigned)n;
        return true;
    case OPT_TIER_THRESHOLD:
        if (!opt_count(why, value, 1000, 0, UINT32_MAX, &n))
            return false;
        o->tier_threshold = (uint32_t)n;
        return true;
    case OPT_TIER_SEED:
        if (!opt_count(why, value, 1000, 0, UINT32_MAX, &n))
            return false;
        o->tier_seed = (uint32_t)n;
        return true;
    case OPT_RA_SEED:
        if (!opt_count(why, value, 1000, 0, UINT32_MAX, &n))
            return false;
        o->ra_seed = (uint32_t)n;
        return true;
    }
    bug("option %d takes no number", (int)id);
}

/* Does what the option says; `choice` is the place of its value among the possible ones. */
static bool opt_apply(struct options *o, enum option_id id, const char *value, int choice,
                      struct text *why) {
    static const unsigned bits[] = {8, 16, 32, 64};
    static const enum eof_mode eof[] = {EOF_UNCHANGED, EOF_ZERO, EOF_MINUS_ONE};
    static const enum cpu cpu[] = {CPU_NATIVE, CPU_X86_64, CPU_V3, CPU_V4};
    switch (id) {
    case OPT_LEVEL:
        o->level = (unsigned)choice;
        break;
    case OPT_TIERED:
        o->engine = ENGINE_TIERED;
        break;
    case OPT_JIT:
        o->engine = ENGINE_JIT;
        break;
    case OPT_INTERP:
        o->engine = ENGINE_INTERP;
        o->interp_switch = choice == 1;
        break;
    case OPT_REF:
        o->engine = ENGINE_REF;
        break;
    case OPT_STRICT:
        o->strict = true;
        break;
    case OPT_SANDBOX:
        o->sandbox = true;
        break;
    case OPT_CPU:
        o->cpu = cpu[choice];
        break;
    case OPT_EVAL:
        text_put(&o->code, value);
        o->has_code = true;
        break;
    case OPT_INPUT:
        o->input = value;
        break;
    case OPT_OUTPUT:
        o->output = value;
        break;
    case OPT_ASM:
        o->action = ACT_ASM;
        break;
    case OPT_DUMP_IR:
        o->action = choice == 1 ? ACT_DUMP_DOT : ACT_DUMP_IR;
        break;
    case OPT_DUMP_ASM:
        o->action = ACT_DUMP_ASM;
        break;
    case OPT_IR:
        o->ir_input = true;
        break;
    case OPT_CELL_BITS:
        o->cell_bits = bits[choice];
        break;
    case OPT_EOF:
        o->eof = eof[choice];
        break;
    case OPT_DEBUG_HASH:
        o->debug_hash = true;
        break;
    case OPT_TAPE:
    case OPT_MAX_STEPS:
    case OPT_OPT_LIMIT:
    case OPT_PRERUN_STEPS:
    case OPT_MAX_REGS:
    case OPT_RA_SEED:
    case OPT_TIER_THRESHOLD:
    case OPT_TIER_SEED:
        return opt_apply_number(o, id, value, why);
    case OPT_PASSES:
        o->passes = value;
        break;
    case OPT_PRINT_BEFORE:
        opt_join(&o->print_before, value);
        break;
    case OPT_PRINT_AFTER:
        opt_join(&o->print_after, value);
        break;
    case OPT_STOP_AFTER:
        o->stop_after = value;
        break;
    case OPT_STATS:
        o->stats = true;
        break;
    case OPT_TIME_PASSES:
        o->time_passes = true;
        break;
    case OPT_TIER_LOG:
        o->tier_log = true;
        break;
    case OPT_PROFILE:
        o->profile = choice == 1 ? PROFILE_EXACT : PROFILE_SAMPLED;
        break;
    case OPT_PERF_MAP:
        o->perf_map = true;
        break;
    case OPT_TIER_MAX:
        o->tier_max = choice == 0 ? TIERS_INTERPRET : choice == 1 ? TIERS_BASELINE : TIERS_ALL;
        break;
    case OPT_TIER_WAIT:
        o->tier_wait = true;
        break;
    case OPT_FINAL_STATE:
        o->final_state = true;
        break;
    case OPT_LIST_PASSES:
        o->action = ACT_LIST_PASSES;
        break;
    case OPT_LIST_OPS:
        o->action = ACT_LIST_OPS;
        break;
    case OPT_VERIFY_EACH:
        o->verify_each = true;
        break;
    case OPT_VALIDATE_EACH:
        o->validate_each = true;
        break;
    case OPT_CHECK_RA:
        o->check_ra = true;
        break;
    case OPT_GUARD:
        o->guard = choice == 0;
        break;
    case OPT_HELP:
        o->action = ACT_HELP;
        break;
    case OPT_VERSION:
        o->action = ACT_VERSION;
        break;
    case OPT_MAN:
        o->action = ACT_MAN;
        break;
    case OPT_COMPLETION:
        o->action = ACT_COMPLETION;
        assert(value != NULL); /* the table says VALUE */
        if (strcmp(value, "bash") != 0)
            text_fmt(why, "there are completions for bash only, not for `%s`", value);
        return why->len == 0;
    case OPT_GROUP_ENGINE:
    case OPT_GROUP_IO:
    case OPT_GROUP_LANGUAGE:
    case OPT_GROUP_LOOK:
    case OPT_GROUP_TEST:
    case OPT_GROUP_HELP:
    case OPT_COUNT:
        bug("row %d of the options is none", (int)id);
    }
    return true;
}

/* ---- parsing ---- */

struct opt_parser {
    struct options *o;
    char **argv;
    int argc, at; /* at: the next argument */
    struct text *why;
};

/* "-e" or "--eval": how the user wrote it, for messages. */
static bool opt_wrong(struct opt_parser *s, const char *written, int len, const char *what) {
    text_fmt(s->why, "option `%.*s` %s", len, written, what);
    return false;
}

/* Applies the option `id`, written as written[0 .. len), with a value or NULL. */
static bool opt_found(struct opt_parser *s, enum option_id id, const char *written, int len,
                      const char *value) {
    const struct option_info *info = &option_table[id];
    int choice = -1;
    if (value != NULL && option_has_choices(info)) {
        choice = opt_choice(info->value, value);
        if (choice < 0) {
            text_fmt(s->why, "option `%.*s`: `%s` is none of %s", len, written, value, info->value);
            return false;
        }
    }
    struct text why = {0};
    bool ok = opt_apply(s->o, id, value, choice, &why);
    if (!ok)
        text_fmt(s->why, "option `%.*s`: %s", len, written, why.p);
    text_free(&why);
    return ok;
}

/* --name, --name=value, --name value. */
static bool opt_long(struct opt_parser *s, const char *arg) {
    size_t n = strcspn(arg + 2, "=");
    int len = (int)n + 2;
    const char *value = arg[len] == '=' ? arg + len + 1 : NULL;
    int id = 0;
    while (id < OPT_COUNT && (option_table[id].name == NULL || strlen(option_table[id].name) != n ||
                              memcmp(option_table[id].name, arg + 2, n) != 0))
        id++;
    if (id == OPT_COUNT)
        return opt_wrong(s, arg, len, "is unknown");
    const struct option_info *info = &option_table[id];
    if (info->argument == NONE && value != NULL)
        return opt_wrong(s, arg, len, "takes no value");
    if (info->argument == VALUE && value == NULL) {
        if (s->at == s->argc)
            return opt_wrong(s, arg, len, "needs a value");
        value = s->argv[s->at++];
    }
    return opt_found(s, (enum option_id)id, arg, len, value);
}

/* -S, -O2, -o file, -Sofile: every letter of arg. */
static bool opt_short(struct opt_parser *s, const char *arg) {
    for (const char *p = arg + 1; *p != '\0'; p++) {
        char written[] = {'-', *p, '\0'};
        int id = 0;
        while (id < OPT_COUNT && option_table[id].brief != *p)
            id++;
        if (id == OPT_COUNT)
            return opt_wrong(s, written, 2, "is unknown");
        const char *value = NULL;
        if (option_table[id].argument == VALUE) {
            if (p[1] == '\0' && s->at == s->argc)
                return opt_wrong(s, written, 2, "needs a value");
            value = p[1] != '\0' ? p + 1 : s->argv[s->at++];
        }
        if (!opt_found(s, (enum option_id)id, written, 2, value))
            return false;
        if (value != NULL)
            return true;
    }
    return true;
}

static bool opt_file(struct opt_parser *s, const char *arg) {
    if (s->o->file != NULL) {
        text_fmt(s->why, "two files, `%s` and `%s`", s->o->file, arg);
        return false;
    }
    s->o->file = arg;
    return true;
}

/* What no single option can see. */
static bool opt_together(const struct options *o, struct text *why) {
    const char *wrong = NULL;
    if (o->action >= ACT_HELP)
        return true;
    if (o->file == NULL && !o->has_code)
        wrong = "no program: give a FILE, `-` for standard input, or -e CODE";
    else if (o->file != NULL && o->has_code)
        wrong = "two programs: a FILE and -e CODE";
    else if (o->max_steps != UINT64_MAX && o->engine != ENGINE_DEFAULT && o->engine != ENGINE_REF)
        wrong = "--max-steps counts commands of the source, which only --ref does";
    else if (o->ir_input &&
             (o->engine == ENGINE_REF || o->engine == ENGINE_TIERED || o->max_steps != UINT64_MAX))
        wrong = "--ref and --tiered run source, not --ir";
    else if ((o->engine == ENGINE_REF || o->max_steps != UINT64_MAX) && o->action != ACT_RUN)
        wrong = "--ref and --max-steps only run programs";
    else if (o->profile != PROFILE_NONE &&
             (o->action != ACT_RUN || o->ir_input || o->sandbox || o->max_steps != UINT64_MAX ||
              (o->engine != ENGINE_DEFAULT && o->engine != ENGINE_TIERED)))
        wrong = "--profile is for running source in tiers, as bfopt does by default";
    else if (o->tier_log && o->engine != ENGINE_DEFAULT && o->engine != ENGINE_TIERED)
        wrong = "--tier-log tells what tiers do, as bfopt runs programs by default";
    else if (o->perf_map && (o->engine == ENGINE_REF || o->engine == ENGINE_INTERP))
        wrong = "--perf-map names machine code, which interpreters do not make";
    else if (o->sandbox && o->engine == ENGINE_TIERED)
        wrong = "--tiered compiles during the run, which --sandbox forbids";
    else if (o->sandbox && o->action != ACT_RUN)
        wrong = "--sandbox is for running programs";
    if (wrong != NULL)
        text_put(why, wrong);
    return wrong == NULL;
}

bool options_parse(struct options *o, int argc, char **argv, struct text *why) {
    *o = (struct options){.level = 2,
                          .tier_threshold = TIER_THRESHOLD,
                          .cell_bits = 8,
                          .eof = EOF_UNCHANGED,
                          .tape_cells = TAPE_DEFAULT_CELLS,
                          .guard = true,
                          .max_steps = UINT64_MAX,
                          .opt_limit = UINT64_MAX};
    struct opt_parser s = {.o = o, .argv = argv, .argc = argc, .at = 1, .why = why};
    bool ended = false;
    while (s.at < argc) {
        const char *arg = argv[s.at++];
        bool ok;
        if (ended || arg[0] != '-' || arg[1] == '\0') {
            ok = opt_file(&s, arg);
        } else if (strcmp(arg, "--") == 0) {
            ok = ended = true;
        } else {
            ok = arg[1] == '-' ? opt_long(&s, arg) : opt_short(&s, arg);
        }
        if (!ok)
            return false;
    }
    return opt_together(o, why);
}

void options_free(struct options *o) {
    text_free(&o->code);
    text_free(&o->print_before);
    text_free(&o->print_after);
}
