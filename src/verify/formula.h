/* Formulas of op records: the text of a formula as a tree, and its value on scalars. The grammar is
 * in docs/formulas.md. */
#ifndef BPI_FORMULA_H
#define BPI_FORMULA_H

#include <backprop/base.h>

#include "../memory.h"

typedef enum bpi_expr_kind {
    BPI_EXPR_NUMBER,
    BPI_EXPR_NAME,
    BPI_EXPR_CALL,  /* name(arg...) */
    BPI_EXPR_INDEX, /* arg[0][arg[1], ...] */
    BPI_EXPR_NEGATE,
    BPI_EXPR_TRANSPOSE, /* arg[0]' */
    BPI_EXPR_ADD,
    BPI_EXPR_SUB,
    BPI_EXPR_MUL,
    BPI_EXPR_DIV,
    BPI_EXPR_MATMUL,
    BPI_EXPR_POWER,
    BPI_EXPR_LESS,
    BPI_EXPR_LESS_EQUAL,
    BPI_EXPR_GREATER,
    BPI_EXPR_GREATER_EQUAL,
    BPI_EXPR_EQUAL,
    BPI_EXPR_NOT_EQUAL,
    BPI_EXPR_CHOICE /* arg[0] ? arg[1] : arg[2] */
} bpi_expr_kind;

typedef struct bpi_expr bpi_expr;
struct bpi_expr {
    bpi_expr_kind kind;
    int args, depth;
    double number;    /* of a number */
    const char *name; /* of a name or a call */
    bpi_expr **arg;
};

/* One part between semicolons: `name = value`, or in a list of expressions (kinks, domain) only
 * `value`, with the name NULL. */
typedef struct bpi_statement {
    const char *name;
    bpi_expr *value;
} bpi_statement;

typedef struct bpi_formula {
    bpi_statement *statements;
    int count;
    bpi_arena arena; /* of all the above */
} bpi_formula;

/* Parses statements, or with `list` expressions, joined by ";". NULL or "" is a formula without
 * any. Free with bpi_formula_free, also after a failure; a failure says where and
 * what was expected. */
bp_status bpi_formula_parse(const char *text, bool list, bpi_formula *formula, bp_failure *why);
void bpi_formula_free(bpi_formula *formula);
/* Returns the last statement that gives `name` its value; NULL when there is none. */
const bpi_expr *bpi_formula_find(const bpi_formula *formula, const char *name);

/* What a name means while a formula is evaluated. */
typedef struct bpi_binding {
    const char *name;
    long double value;
} bpi_binding;

/* Evaluates an expression on scalars, in long double. Names are looked up from the last binding to
 * the first. BP_ERR_NAME for a name that is not bound or a function that is not one of scalars. */
bp_status bpi_expr_value(const bpi_expr *expr, const bpi_binding *bindings, int count,
                         long double *value, bp_failure *why);
/* Evaluates the statements in turn, each binding its name for those after it: `bindings` has room
 * for `*count` + formula->count of them, and `*count` grows. */
bp_status bpi_formula_values(const bpi_formula *formula, bpi_binding *bindings, int *count,
                             bp_failure *why);
/* Tells whether formulas can call a function of that name on `args` scalars; a negative `args` asks
 * for the name only. */
bool bpi_formula_function(const char *name, int args);

#endif
