/* isel.h: x86-64 instruction selection: IR to machine code over virtual registers.  isel.c. */
#ifndef BFOPT_BACKEND_X64_ISEL_H
#define BFOPT_BACKEND_X64_ISEL_H

#include "backend/x64/x64.h"
#include "ir/ir.h"

/* The rules of rules.def; minsn.rule is one of these. */
enum x64_rule {
#define RULE(name, matches, makes) X64_RULE_##name,
#include "backend/x64/rules.def"
#undef RULE
    X64_RULE_COUNT
};

struct x64_rule_info {
    const char *name, *matches, *makes;
};
extern const struct x64_rule_info x64_rule_info[X64_RULE_COUNT];
const char *x64_rule_name(unsigned rule);

struct isel_options {
    bool check_bounds; /* compare each access that may trap with the tape's limits; without it such
                          an access faults in a guard page (minsn.trap is set) */
};

/* Selects f, all of whose blocks must be reachable; f is not changed. */
struct mach *x64_select(struct func *f, const struct isel_options *opt);

/* Adds to hits[rule] (X64_RULE_COUNT counters) the number of instructions each rule made. */
void x64_count_rules(const struct mach *m, uint64_t *hits);

#endif
