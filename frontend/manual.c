/* manual.c: the texts about bfopt: --help, the manual page, shell completions.
 *
 * Each walks the table of options; what the table cannot say stands here once.
 */
#include <string.h>

#include "frontend/options.h"

/* ---- --help ---- */

#define HELP_COLUMN 28u
#define HELP_WIDTH  80u

/* "-o, --output=FILE" */
static void manual_option(struct text *out, const struct option_info *info) {
    if (info->brief != 0)
        text_fmt(out, "-%c, ", info->brief);
    text_fmt(out, "--%s", info->name);
    if (info->argument == VALUE)
        text_fmt(out, "=%s", info->value);
    else if (info->argument == MAYBE)
        text_fmt(out, "[=%s]", info->value);
}

static void help_spaces(struct text *out, size_t from, size_t to) {
    for (; from < to; from++)
        text_char(out, ' ');
}

/* Adds words from column HELP_COLUMN on, in lines of HELP_WIDTH. */
static void help_wrap(struct text *out, const char *words) {
    size_t column = HELP_COLUMN;
    for (const char *p = words; *p != '\0';) {
        size_t n = strcspn(p, " ");
        if (column > HELP_COLUMN && column + 1 + n > HELP_WIDTH) {
            text_char(out, '\n');
            help_spaces(out, 0, HELP_COLUMN);
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            text_char(out, ' ');
            column++;
        }
        text_add(out, p, n);
        column += n;
        p += n + strspn(p + n, " ");
    }
    text_char(out, '\n');
}

static void help_option(struct text *out, const struct option_info *info) {
    size_t start = out->len;
    text_put(out, info->brief != 0 ? "  " : "      ");
    manual_option(out, info);
    size_t column = out->len - start;
    if (column + 2 > HELP_COLUMN) {
        text_char(out, '\n');
        column = 0;
    }
    help_spaces(out, column, HELP_COLUMN);
    help_wrap(out, info->help);
}

void manual_help(struct text *out) {
    text_put(out, "Usage: bfopt [options] FILE|-\n"
                  "       bfopt [options] -e CODE\n"
                  "Runs a Brainfuck program at once and compiles the loops that get hot; options\n"
                  "have it compiled whole before it runs, or only interpreted, or made assembly.\n"
                  "`-` reads it from standard input.\n");
    for (int id = 0; id < OPT_COUNT; id++) {
        const struct option_info *info = &option_table[id];
        if (info->name == NULL)
            text_fmt(out, "\n%s:\n", info->help);
        else
            help_option(out, info);
    }
    text_put(out, "\nExit status: 0 the program ended, 1 wrong usage or an internal limit, 2 an\n"
                  "error in the program, 3 off the tape, 4 an input or output error, 5 stopped\n"
                  "by --max-steps, 130 interrupted.\n");
}

/* ---- the manual page ---- */

/* Escapes what troff would take for its own. */
static void man_text(struct text *out, const char *s) {
    for (; *s != '\0'; s++) {
        if (*s == '\\')
            text_put(out, "\\e");
        else if (*s == '-')
            text_put(out, "\\-");
        else if (*s == '`')
            text_put(out, "\\(ga");
        else if (*s == '\'')
            text_put(out, "\\(aq");
        else
            text_char(out, *s);
    }
}

static const char man_head[] =
    ".TH BFOPT 1 \"\" \"bfopt " BFOPT_VERSION "\" \"User Commands\"\n"
    ".SH NAME\nbfopt \\- an optimizing Brainfuck compiler\n"
    ".SH SYNOPSIS\n.B bfopt\n[\\fIoptions\\fR] \\fIFILE\\fR|\\fB\\-\\fR\n.br\n"
    ".B bfopt\n[\\fIoptions\\fR] \\fB\\-e\\fR \\fICODE\\fR\n"
    ".SH DESCRIPTION\n"
    "Runs a Brainfuck program at once, interpreting it, and compiles the loops that get hot to\n"
    "x86\\-64 machine code while it runs.  With \\-\\-jit all of it is compiled before it starts,\n"
    "with \\-\\-interp it is optimized and then interpreted, with \\-S it becomes assembly.\n"
    "Between source and code is an SSA intermediate representation, which options show.\n"
    ".PP\n"
    "Options may stand before and after the file; of contradicting ones the last counts.\n";

static const char man_tail[] =
    ".SH THE LANGUAGE\n"
    ".TP\n.B Source\n"
    "Bytes; all but the eight commands are comments.  A first line that starts with #! is\n"
    "skipped.  If the program comes from standard input, a ! outside all brackets, after a comma\n"
    "was seen, separates it from its input.\n"
    ".TP\n.B Cells\n"
    "Unsigned, wrapping, 8 bits unless \\-\\-cell\\-bits says otherwise.  The period writes the\n"
    "low byte.\n"
    ".TP\n.B Tape\n"
    "Starts at cell 0, zero\\-filled, 64 Mi cells unless \\-\\-tape says otherwise; rounded up to\n"
    "whole pages.  There is no cell \\-1.  An access outside is an error, moving the pointer is\n"
    "not.\n"
    "Without \\-\\-strict, an access whose effect is provably dead may go unreported.\n"
    ".TP\n.B End of input\n"
    "The cell is unchanged, or as \\-\\-eof says.\n"
    ".TP\n.B Output\n"
    "Written when a buffer is full, before input is waited for, at each newline on a terminal,\n"
    "and at the end, whatever the end is.\n"
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\nThe program ended.\n"
    ".TP\n.B 1\nWrong usage, a program that cannot be read, or became shorter meanwhile, or an\n"
    "internal limit.\n"
    ".TP\n.B 2\nAn error in the source, or in the text of \\-\\-ir.\n"
    ".TP\n.B 3\nThe program left the tape.\n"
    ".TP\n.B 4\nAn input or output error.\n"
    ".TP\n.B 5\nThe limit of \\-\\-max\\-steps was reached.\n"
    ".TP\n.B 128 + n\nEnded by signal n; 130 is an interrupt.\n"
    ".SH EXAMPLES\n"
    ".nf\n"
    "bfopt \\-O3 prog.b\n"
    "bfopt \\-\\-eof=0 \\-e \\(aq,[.,]\\(aq < file\n"
    "bfopt \\-\\-dump\\-ir=dot prog.b | dot \\-Tpng > prog.png\n"
    "bfopt \\-S \\-o prog.s prog.b && cc prog.s \\-o prog\n"
    ".fi\n";

void manual_page(struct text *out) {
    text_put(out, man_head);
    text_put(out, ".SH OPTIONS\n");
    for (int id = 0; id < OPT_COUNT; id++) {
        const struct option_info *info = &option_table[id];
        if (info->name == NULL) {
            text_fmt(out, ".SS %s\n", info->help);
            continue;
        }
        struct text name = {0};
        manual_option(&name, info);
        text_put(out, ".TP\n.B ");
        man_text(out, name.p);
        text_put(out, "\n");
        man_text(out, info->help);
        text_put(out, ".\n");
        text_free(&name);
    }
    text_put(out, man_tail);
}

/* ---- completions ---- */

static const char bash_head[] =
    "# Completions of bfopt for bash; written by bfopt --completion=bash.\n"
    "_bfopt() {\n"
    "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} name=\n"
    "    # Bash makes three words of --name=value.\n"
    "    if [[ $word == = ]]; then\n"
    "        name=$before word=\n"
    "    elif [[ $before == = ]]; then\n"
    "        name=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n"
    "    local values=\n"
    "    case $name in\n";

static const char bash_passes[] =
    "        values=$(bfopt --list-passes 2>/dev/null | awk '/^  /{print $1}')\n"
    "        ;;\n";

static const char bash_tail[] =
    "    '')\n"
    "        if [[ $word == -* ]]; then\n"
    "            COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
    "            [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
    "            return\n"
    "        fi\n"
    "        ;;\n"
    "    esac\n"
    "    if [[ $values ]]; then\n"
    "        COMPREPLY=($(compgen -W \"$values\" -- \"$word\"))\n"
    "    else\n"
    "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
    "    fi\n"
    "}\n"
    "complete -o filenames -F _bfopt bfopt\n";

/* The words of an option's value, with spaces for `|`. */
static void bash_values(struct text *out, const struct option_info *info) {
    text_fmt(out, "    --%s)\n        values='", info->name);
    for (const char *p = info->value; *p != '\0'; p++)
        text_char(out, *p == '|' ? ' ' : *p);
    text_put(out, "'\n        ;;\n");
}

void manual_bash(struct text *out) {
    text_put(out, bash_head);
    struct text all = {0};
    for (int id = 0; id < OPT_COUNT; id++) {
        const struct option_info *info = &option_table[id];
        if (info->name == NULL)
            continue;
        text_fmt(&all, "%s--%s%s", all.len == 0 ? "" : " ", info->name,
                 info->argument == VALUE ? "=" : "");
        if (option_has_choices(info)) {
            bash_values(out, info);
        } else if (strncmp(info->value, "PASS", 4) == 0) {
            text_fmt(out, "    --%s)\n", info->name);
            text_put(out, bash_passes);
        }
    }
    text_fmt(out, "    esac\n    local options='%s'\n    case $name in\n", all.p);
    text_put(out, bash_tail);
    text_free(&all);
}
