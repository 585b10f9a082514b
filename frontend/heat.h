/* heat.h: the report of --profile.  heat.c. */
#ifndef BFOPT_FRONTEND_HEAT_H
#define BFOPT_FRONTEND_HEAT_H

#include "frontend/options.h"
#include "frontend/source.h"
#include "runtime/text.h"

struct tiers;

/* How the report looks. */
struct heat_style {
    bool colour, utf8;
};
/* For standard error: colour on a terminal, unless NO_COLOR is set; blocks where the locale has
 * UTF-8. */
struct heat_style heat_style(void);

/* Appends what the run of t, which has a profile, has shown. */
void heat_report(struct text *out, const struct tiers *t, struct source *s, enum profile_mode mode,
                 struct heat_style style);

#endif
