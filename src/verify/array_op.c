/* The formulas of one recorded op on arrays: what its names are bound to, and in which shapes. */
#include <string.h>

#include "../graph.h"
#include "array.h"
#include "sample.h"

enum { MOST = 48 };

typedef struct naming {
    const bpi_nd_node *node;
    bpi_arena *arena;
    bp_failure *why;
    bpi_formula formula, gradient;
    bpi_nd_binding bindings[MOST];
    int count;
} naming;

static void bind(naming *n, const char *name, bpi_nd value, const bp_attr *list) {
    if (n->count < MOST && name)
        n->bindings[n->count++] = (bpi_nd_binding){name, value, list};
}

/* Whether an attribute of that name is on: transpose_x turns operand 0, transpose_y operand 1. */
static bool turned(const bpi_nd_node *node, int k) {
    for (int a = 0; k < 2 && a < bpi_op_attrs(node->op); a++)
        if (strcmp(node->op->attrs[a].name, k == 0 ? "transpose_x" : "transpose_y") == 0)
            return node->attr[a].as.i != 0;
    return false;
}

/* A result of a reduction, or its cotangent, with the reduced axes back at size 1:
 * so it broadcasts. */
static bpi_nd with_axes(const bpi_nd_node *node, bpi_nd y) {
    for (int a = 0; a < bpi_op_attrs(node->op); a++) {
        if (strcmp(node->op->attrs[a].name, "axes") != 0 || y.shape.rank == node->x[0].shape.rank)
            continue;
        y.shape = node->x[0].shape;
        for (int k = 0; k < node->attr[a].count; k++) {
            int64_t axis = node->attr[a].as.list[k];
            y.shape.size[axis + (axis < 0 ? y.shape.rank : 0)] = 1;
        }
    }
    return y;
}

static bp_status bind_attrs(naming *n) {
    for (int a = 0; a < bpi_op_attrs(n->node->op); a++) {
        const bp_attr *attr = &n->node->attr[a];
        bpi_nd value = bpi_nd_new(n->arena, BP_SCALAR);
        if (!value.data)
            return BP_ERR_MEMORY;
        value.data[0] = attr->type == BP_ATTR_REAL  ? attr->as.f
                        : attr->type == BP_ATTR_INT ? (double)attr->as.i
                                                    : 0;
        bind(n, n->node->op->attrs[a].name, value, attr->type == BP_ATTR_INTS ? attr : NULL);
    }
    return BP_OK;
}

static bp_status bind_operands(naming *n) {
    for (int k = 0; k < n->node->inputs; k++) {
        bpi_nd x = n->node->x[k];
        if (turned(n->node, k) && bpi_nd_transpose(&x, n->arena, &x) != BP_OK)
            return BP_ERR_MEMORY;
        bind(n, bpi_operand_name(n->node->op, k), x, NULL);
    }
    return BP_OK;
}

static const char *cotangent_name(bpi_arena *arena, const char *name) {
    char *text = bpi_arena_alloc(arena, strlen(name) + 2);
    if (text) {
        text[0] = 'g';
        strcpy(text + 1, name);
    }
    return text;
}

/* Binds results and cotangents, as the formula names them: before evaluating a gradient. */
static bp_status bind_results(naming *n) {
    int first = n->formula.count - n->node->outputs;
    for (int k = 0; first >= 0 && k < n->node->outputs; k++) {
        const char *y = n->formula.statements[first + k].name, *gy = cotangent_name(n->arena, y);
        if (!gy)
            return BP_ERR_MEMORY;
        bind(n, y, with_axes(n->node, n->node->y[k]), NULL);
        if (n->node->gy[k].data)
            bind(n, gy, with_axes(n->node, n->node->gy[k]), NULL);
    }
    return BP_OK;
}

/* Evaluates statements up to the last that gives `wanted` its value. */
static bp_status run(naming *n, const bpi_formula *formula, const char *wanted, bpi_nd *value) {
    if (!wanted || !bpi_formula_find(formula, wanted))
        return bpi_fail(n->why, BP_ERR_UNSUPPORTED, "op \"%s\" has no formula for it",
                        n->node->op->name);
    for (int k = 0; k < formula->count; k++) {
        const bpi_statement *s = &formula->statements[k];
        bool needed = s->name[0] != 'g' || strcmp(s->name, wanted) == 0;
        bpi_nd_scope scope = {n->bindings, n->count, n->arena, n->why};
        bp_status status = needed ? bpi_nd_value(s->value, &scope, value) : BP_OK;
        if (status != BP_OK || (needed && strcmp(s->name, wanted) == 0))
            return status;
        if (needed)
            bind(n, s->name, *value, NULL);
    }
    return BP_ERR_UNSUPPORTED;
}

static bool has_product(const bpi_expr *expr) {
    bool product = expr->kind == BPI_EXPR_MATMUL;
    for (int k = 0; k < expr->args; k++)
        product = product || has_product(expr->arg[k]);
    return product;
}

/* The formulas of a matrix product are those for matrices: with a vector on one side their
 * transposes mean something else. */
static bool holds(const bpi_nd_node *node, const bpi_formula *formula) {
    for (int s = 0; s < formula->count; s++)
        for (int k = 0; k < node->inputs && has_product(formula->statements[s].value); k++)
            if (node->x[k].shape.rank < 2)
                return false;
    return true;
}

static bp_status open_naming(naming *n, const bpi_nd_node *node, bpi_arena *arena,
                             bp_failure *why) {
    *n = (naming){.node = node, .arena = arena, .why = why};
    bp_status status = bpi_formula_parse(node->op->formula, false, &n->formula, why);
    if (status == BP_OK)
        status = bpi_formula_parse(node->op->gradient, false, &n->gradient, why);
    if (status == BP_OK && !holds(node, &n->formula))
        status = bpi_fail(why, BP_ERR_UNSUPPORTED, "the formula of \"%s\" is for matrices",
                          node->op->name);
    if (status == BP_OK)
        status = bind_attrs(n);
    return status == BP_OK ? bind_operands(n) : status;
}

static void close_naming(naming *n) {
    bpi_formula_free(&n->formula);
    bpi_formula_free(&n->gradient);
}

bp_status bpi_nd_gradient(const bpi_nd_node *node, int k, bpi_arena *arena, bpi_nd *gx,
                          bp_failure *why) {
    naming n;
    bp_status status = open_naming(&n, node, arena, why);
    if (status == BP_OK)
        status = bind_results(&n);
    const char *name = cotangent_name(arena, bpi_operand_name(node->op, k));
    if (status == BP_OK)
        status = run(&n, &n.gradient, name, gx);
    if (status == BP_OK && turned(node, k))
        status = bpi_nd_transpose(gx, arena, gx);
    if (status == BP_OK)
        status = bpi_nd_sum_to(gx, &node->x[k].shape, arena, gx);
    close_naming(&n);
    return status;
}

bp_status bpi_nd_forward(const bpi_nd_node *node, int k, bpi_arena *arena, bpi_nd *y,
                         bp_failure *why) {
    naming n;
    bp_status status = open_naming(&n, node, arena, why);
    int at = status == BP_OK ? n.formula.count - node->outputs + k : -1;
    if (status == BP_OK)
        status = run(&n, &n.formula, at >= 0 ? n.formula.statements[at].name : NULL, y);
    if (status == BP_OK)
        status = bpi_nd_sum_to(y, &node->y[k].shape, arena, y);
    close_naming(&n);
    return status;
}
