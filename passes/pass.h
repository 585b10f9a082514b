/* pass.h: what a pass sees of its driver.  pipeline.c drives; passes.def lists. */
#ifndef BFOPT_PASSES_PASS_H
#define BFOPT_PASSES_PASS_H

#include "ir/ir.h"
#include "runtime/names.h"

struct text;

/* Shared by all passes of one compilation. */
struct pass_env {
    uint64_t opt_limit;       /* rewrites still allowed (--opt-limit); UINT64_MAX: any number */
    uint64_t rewrites;        /* made so far, over all passes */
    struct pass_stats *stats; /* --stats; may be NULL */
    const char *pass;         /* the running pass */
    bool kept;                /* the pass stands here because the code will be kept */
    uint64_t prerun_steps;    /* how far prerun may go; 0: as far as is usual */
};

/* Every rewrite asks first: counts it, and says whether the limit still allows it. */
bool pass_may(struct pass_env *env);
/* What the driver counts stands under this name. */
extern const char pass_pipeline[];
/* Adds n to the counter "pass.name" of --stats. */
void pass_count(struct pass_env *env, const char *name, uint64_t n);

/* A pass: func -> func; true if it changed anything.  May leave COPYs (the driver settles them). */
typedef bool pass_fn(struct func *f, struct pass_env *env);

/* What the driver has to know of a pass (passes.def). */
enum pass_property { PLAIN, KEEPS_MARKS, COMPILED_ONLY };

struct pass_info {
    const char *name;
    pass_fn *run;
    unsigned level; /* lowest -O level that runs it */
    enum pass_property property;
    const char *what;
};
extern const struct pass_info pass_table[];
extern const unsigned pass_table_size;
/* The pass of this name, or NULL. */
const struct pass_info *pass_find(struct name name);

#define PASS(name, entry, level, property, what) pass_fn entry;
#include "passes/passes.def"
#undef PASS

#endif
