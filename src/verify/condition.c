/* Evaluates kinks and domains on the elements of operands; see condition.h. */
#include "condition.h"

#include <math.h>
#include <string.h>

#include "../graph.h"
#include "sample.h"

/* Whether a name is that of an attribute which is a number, or of a constant. */
static bool is_number(const bp_op *op, const char *name) {
    bool found = strcmp(name, "pi") == 0;
    for (int k = 0; k < bpi_op_attrs(op); k++)
        found |= strcmp(op->attrs[k].name, name) == 0 &&
                 (op->attrs[k].type == BP_ATTR_INT || op->attrs[k].type == BP_ATTR_REAL);
    return found;
}

static bp_status find_names(const bpi_expr *expr, const bpi_point *point, bpi_condition *c,
                            bp_failure *why) {
    bool found = expr->kind != BPI_EXPR_NAME || is_number(point->op, expr->name);
    for (int k = 0; expr->kind == BPI_EXPR_NAME && k < point->inputs; k++)
        if (strcmp(expr->name, bpi_operand_name(point->op, k)) == 0) {
            found = c->names[k] = true;
            c->floats = c->floats || bp_dtype_is_float(point->type[k]->dtype);
        }
    bp_status status = found ? BP_OK
                             : bpi_fail(why, BP_ERR_NAME,
                                        "op \"%s\": a kink or the domain names \"%s\", which is "
                                        "no operand and no attribute that is a number",
                                        point->op->name, expr->name);
    for (int k = 0; status == BP_OK && k < expr->args; k++)
        status = find_names(expr->arg[k], point, c, why);
    return status;
}

/* Widens `to` so that it covers `x` by broadcasting; false when it cannot. */
static bool widen(bp_shape *to, const bp_shape *x) {
    while (to->rank < x->rank) {
        memmove(&to->size[1], &to->size[0], (size_t)to->rank++ * sizeof(int64_t));
        to->size[0] = 1;
    }
    for (int d = 1; d <= x->rank; d++) {
        int64_t size = x->size[x->rank - d], *have = &to->size[to->rank - d];
        if (*have != size && *have != 1 && size != 1)
            return false;
        *have = *have == 1 ? size : *have;
    }
    return true;
}

bp_status bpi_condition_of(const bpi_expr *expr, const bpi_point *point, bpi_condition *c,
                           bp_failure *why) {
    *c = (bpi_condition){.expr = expr, .shape = BP_SCALAR};
    c->apart = expr->kind == BPI_EXPR_CALL && strcmp(expr->name, "apart") == 0 && expr->args == 1;
    bp_status status = find_names(expr, point, c, why);
    if (status != BP_OK)
        return status;
    for (int k = 0; k < point->inputs; k++)
        if (c->names[k] && !c->apart && !widen(&c->shape, &point->type[k]->shape))
            return bpi_fail(
                why, BP_ERR_SHAPE,
                "op \"%s\": the operands that a kink or the domain names do not broadcast",
                point->op->name);
    c->count = bp_shape_count(c->shape);
    return BP_OK;
}

int64_t bpi_condition_element(const bpi_condition *c, const bpi_point *point, int k,
                              int64_t index) {
    const bp_shape *x = &point->type[k]->shape;
    int64_t at = 0, stride = 1;
    for (int d = 1; d <= x->rank; d++) {
        int64_t size = x->size[x->rank - d], i = index % c->shape.size[c->shape.rank - d];
        index /= c->shape.size[c->shape.rank - d];
        at += size == 1 ? 0 : i * stride;
        stride *= size;
    }
    return at;
}

static int bind(const bpi_condition *c, const bpi_point *point, int64_t index,
                bpi_binding *bindings) {
    int count = 0;
    for (int k = 0; k < bpi_op_attrs(point->op); k++) {
        const char *name = point->op->attrs[k].name;
        const bp_attr *a = &point->attr[k];
        if (a->type == BP_ATTR_INT)
            bindings[count++] = (bpi_binding){name, (long double)a->as.i};
        else if (a->type == BP_ATTR_REAL)
            bindings[count++] = (bpi_binding){name, a->as.f};
    }
    for (int k = 0; k < point->inputs; k++)
        if (c->names[k])
            bindings[count++] =
                (bpi_binding){bpi_operand_name(point->op, k),
                              point->values[k][bpi_condition_element(c, point, k, index)]};
    return count;
}

bp_status bpi_condition_distance(const bpi_condition *c, const bpi_point *point, int64_t index,
                                 double *inside, bp_failure *why) {
    bpi_binding bindings[BP_MAX_ATTRS + BPI_POINT_OPERANDS];
    int count = bind(c, point, index, bindings);
    const bpi_expr *expr = c->expr;
    bool compares = expr->kind >= BPI_EXPR_LESS && expr->kind <= BPI_EXPR_NOT_EQUAL;
    long double a = 0, b = 0;
    bp_status status = bpi_expr_value(compares ? expr->arg[0] : expr, bindings, count, &a, why);
    if (status == BP_OK && compares)
        status = bpi_expr_value(expr->arg[1], bindings, count, &b, why);
    switch (expr->kind) {
    case BPI_EXPR_LESS:
    case BPI_EXPR_LESS_EQUAL: *inside = (double)(b - a); break;
    case BPI_EXPR_GREATER:
    case BPI_EXPR_GREATER_EQUAL: *inside = (double)(a - b); break;
    case BPI_EXPR_EQUAL: *inside = a == b ? 1 : 0; break;
    default: *inside = (double)fabsl(a - b);
    }
    return status;
}
