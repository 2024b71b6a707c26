/* The value of a formula on scalars, in long double: what the kernels of elementwise ops are
 * compared with. */
#include <math.h>
#include <string.h>

#include "../text.h"
#include "formula.h"

typedef long double real;

static real sign(real x) { return x > 0 ? 1 : x < 0 ? -1 : x; }

static real sigmoid(real x) { return 1 / (1 + expl(-x)); }

static real relu(real x) { return x < 0 ? 0 : x; }

/* ln(1 + eˣ) without overflow: max(x, 0) + ln(1 + e^-|x|). */
static real softplus(real x) { return relu(x) + log1pl(expl(-fabsl(x))); }

/* As in NumPy and PyTorch, a NaN on either side wins; fmax would drop it. */
static real larger(real x, real y) { return x > y || isnan(x) ? x : y; }

static real smaller(real x, real y) { return x < y || isnan(x) ? x : y; }

typedef struct function {
    const char *name;
    real (*of1)(real);
    real (*of2)(real, real);
} function;

static const function functions[] = {
    {"exp", expl, NULL},        {"expm1", expm1l, NULL}, {"log", logl, NULL},
    {"log1p", log1pl, NULL},    {"sqrt", sqrtl, NULL},   {"tanh", tanhl, NULL},
    {"sin", sinl, NULL},        {"cos", cosl, NULL},     {"erf", erfl, NULL},
    {"abs", fabsl, NULL},       {"sign", sign, NULL},    {"floor", floorl, NULL},
    {"sigmoid", sigmoid, NULL}, {"relu", relu, NULL},    {"softplus", softplus, NULL},
    {"max", NULL, larger},      {"min", NULL, smaller},  {"maximum", NULL, larger},
    {"minimum", NULL, smaller}};

static const function *find_function(const char *name, int args) {
    for (size_t k = 0; k < sizeof functions / sizeof functions[0]; k++)
        if (strcmp(functions[k].name, name) == 0 &&
            (args < 0 || args == (functions[k].of1 ? 1 : 2)))
            return &functions[k];
    return NULL;
}

bool bpi_formula_function(const char *name, int args) { return find_function(name, args) != NULL; }

static bp_status name_value(const char *name, const bpi_binding *bindings, int count, real *value,
                            bp_failure *why) {
    for (int k = count - 1; k >= 0; k--)
        if (strcmp(bindings[k].name, name) == 0) {
            *value = bindings[k].value;
            return BP_OK;
        }
    if (strcmp(name, "pi") == 0) {
        *value = 3.14159265358979323846264338327950288L;
        return BP_OK;
    }
    return bpi_fail(why, BP_ERR_NAME, "a formula uses the name \"%s\", which has no value", name);
}

static bp_status call_value(const bpi_expr *expr, const real *x, real *value, bp_failure *why) {
    const function *f = find_function(expr->name, expr->args);
    if (!f)
        return bpi_fail(why, BP_ERR_NAME,
                        "a formula calls \"%s\" with %d arguments, which is no "
                        "function of scalars",
                        expr->name, expr->args);
    *value = f->of1 ? f->of1(x[0]) : f->of2(x[0], x[1]);
    return BP_OK;
}

/* The value of an operator on the values of its operands. */
static bp_status operator_value(bpi_expr_kind kind, const real *x, real *value, bp_failure *why) {
    switch (kind) {
    case BPI_EXPR_NEGATE: *value = -x[0]; break;
    case BPI_EXPR_ADD: *value = x[0] + x[1]; break;
    case BPI_EXPR_SUB: *value = x[0] - x[1]; break;
    case BPI_EXPR_MUL: *value = x[0] * x[1]; break;
    case BPI_EXPR_DIV: *value = x[0] / x[1]; break;
    case BPI_EXPR_POWER: *value = powl(x[0], x[1]); break;
    case BPI_EXPR_LESS: *value = x[0] < x[1]; break;
    case BPI_EXPR_LESS_EQUAL: *value = x[0] <= x[1]; break;
    case BPI_EXPR_GREATER: *value = x[0] > x[1]; break;
    case BPI_EXPR_GREATER_EQUAL: *value = x[0] >= x[1]; break;
    case BPI_EXPR_EQUAL: *value = x[0] == x[1]; break;
    case BPI_EXPR_NOT_EQUAL: *value = x[0] != x[1]; break;
    default:
        return bpi_fail(why, BP_ERR_UNSUPPORTED,
                        "a formula uses a matrix product, a transpose or an index, which have no "
                        "meaning for scalars");
    }
    return BP_OK;
}

bp_status bpi_expr_value(const bpi_expr *expr, const bpi_binding *bindings, int count,
                         long double *value, bp_failure *why) {
    if (expr->kind == BPI_EXPR_NUMBER) {
        *value = expr->number;
        return BP_OK;
    }
    if (expr->kind == BPI_EXPR_NAME)
        return name_value(expr->name, bindings, count, value, why);
    real x[8] = {0};
    for (int k = 0; k < expr->args && k < 8; k++) {
        if (expr->kind == BPI_EXPR_CHOICE && k > 0 && (x[0] != 0) != (k == 1))
            continue; /* only the side that is chosen: the other may be outside its domain */
        bp_status status = bpi_expr_value(expr->arg[k], bindings, count, &x[k], why);
        if (status != BP_OK)
            return status;
    }
    if (expr->kind == BPI_EXPR_CALL)
        return call_value(expr, x, value, why);
    if (expr->kind == BPI_EXPR_CHOICE) {
        *value = x[0] != 0 ? x[1] : x[2];
        return BP_OK;
    }
    return operator_value(expr->kind, x, value, why);
}

bp_status bpi_formula_values(const bpi_formula *formula, bpi_binding *bindings, int *count,
                             bp_failure *why) {
    for (int k = 0; k < formula->count; k++) {
        const bpi_statement *s = &formula->statements[k];
        long double value;
        bp_status status = bpi_expr_value(s->value, bindings, *count, &value, why);
        if (status != BP_OK)
            return status;
        bindings[(*count)++] = (bpi_binding){s->name, value};
    }
    return BP_OK;
}
