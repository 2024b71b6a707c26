/* The simplifications of single nodes, one table: a rule sees a node whose operands are final,
 * and either returns a tensor that is equal to its output, or replaces operands, or leaves it
 * alone. */
#include <string.h>

#include "inside.h"
#include "primitives.h"
#include "record.h"

typedef bp_tensor *rule(bpi_node *node);

/* ---- helpers --------------------------------------------------------------------------------- */

static bool is_op(const bp_tensor *x, const bp_op *op) { return x->node->op == op; }

static bp_tensor *same_or_null(bp_tensor *x, const bpi_node *node) {
    return x->type == node->y[0].type ? x : NULL;
}

static const bp_shape *shape_of(const bp_tensor *x) { return &x->type->shape; }

/* Tells whether all elements of a small float constant are 1. */
static bool is_one(const bp_tensor *x) {
    if (!bpi_is_small_constant(x->node) || !bp_dtype_is_float(x->type->dtype))
        return false;
    for (int64_t k = 0; k < bpi_count(&x->type->shape); k++)
        if (bpi_load(x->type->dtype, x->node->leaf->data, k) != 1)
            return false;
    return true;
}

/* ---- what changes nothing -------------------------------------------------------------------- */

static bp_tensor *drop(bpi_node *node) { return same_or_null(node->x[0], node); }

/* f(f(x)) = f(x) where f only looks at the elements: reshape, expand. */
static bp_tensor *skip_inner(bpi_node *node) {
    if (is_op(node->x[0], node->op))
        node->x[0] = node->x[0]->node->x[0];
    return drop(node);
}

static bp_tensor *cancel_negation(bpi_node *node) {
    return is_op(node->x[0], &bpi_op_neg) ? node->x[0]->node->x[0] : NULL;
}

static bp_tensor *drop_factor_one(bpi_node *node) {
    bp_tensor *x = node->x[0], *y = node->x[1];
    if (is_one(y) && x->type == node->y[0].type)
        return x;
    return node->op == &bpi_op_mul && is_one(x) ? same_or_null(y, node) : NULL;
}

/* A sum over axes of size 1 only moves elements. */
static bp_tensor *drop_sum(bpi_node *node) {
    bool same_count = bpi_count(shape_of(node->x[0])) == bpi_count(shape_of(&node->y[0]));
    bool empty = bpi_count(shape_of(node->x[0])) == 0;
    return same_count && !empty ? bp_reshape(node->x[0], *shape_of(&node->y[0])) : NULL;
}

/* ---- permutations ---------------------------------------------------------------------------- */

static bp_axes axes_of(const bpi_node *permute) {
    bp_axes axes = {.count = permute->attr[0].count};
    for (int k = 0; k < axes.count; k++) {
        int axis = (int)permute->attr[0].as.list[k];
        axes.axis[k] = axis < 0 ? axis + axes.count : axis;
    }
    return axes;
}

/* Tells whether a permutation leaves the elements where they are: only axes of size 1 move. */
static bool moves_nothing(const bp_axes *axes, const bp_shape *x) {
    int last = -1;
    for (int k = 0; k < axes->count; k++) {
        if (x->size[axes->axis[k]] == 1)
            continue;
        if (axes->axis[k] < last)
            return false;
        last = axes->axis[k];
    }
    return true;
}

static bp_tensor *simplify_permute(bpi_node *node) {
    bp_axes axes = axes_of(node);
    bp_tensor *x = node->x[0];
    if (moves_nothing(&axes, shape_of(x)))
        return x->type == node->y[0].type ? x : bp_reshape(x, *shape_of(&node->y[0]));
    if (!is_op(x, &bpi_op_permute))
        return NULL;
    bp_axes inner = axes_of(x->node);
    for (int k = 0; k < axes.count; k++)
        axes.axis[k] = inner.axis[axes.axis[k]];
    return bp_permute(x->node->x[0], axes);
}

/* Tells whether a tensor is another one with the last two dimensions swapped. */
static bool is_transpose(const bp_tensor *x) {
    if (!is_op(x, &bpi_op_permute))
        return false;
    bp_axes axes = axes_of(x->node);
    int rank = axes.count;
    for (int k = 0; k < rank - 2; k++)
        if (axes.axis[k] != k)
            return false;
    return rank >= 2 && axes.axis[rank - 1] == rank - 2;
}

/* A product reads its operands either way round. */
static bp_tensor *absorb_transposes(bpi_node *node) {
    bool swap[2] = {is_transpose(node->x[0]), is_transpose(node->x[1])};
    if (!swap[0] && !swap[1])
        return NULL;
    bp_tensor *x = swap[0] ? node->x[0]->node->x[0] : node->x[0];
    bp_tensor *y = swap[1] ? node->x[1]->node->x[0] : node->x[1];
    return bp_matmul_t(x, (node->attr[0].as.i != 0) != swap[0], y,
                       (node->attr[1].as.i != 0) != swap[1]);
}

/* ---- broadcasting ---------------------------------------------------------------------------- */

static bool is_map(const bpi_node *node) {
    const bpi_kernels *kernels = node->op->kernel;
    return (node->op->flags & BP_OP_ELEMENTWISE) &&
           !(node->op->flags & (BP_OP_RANDOM | BP_OP_EFFECT)) && kernels && kernels->map;
}

/* Elementwise ops broadcast by themselves: an expanded operand need not exist. Where all
 * operands are smaller than the result, the op is done on what is there and its result expanded. */
static bp_tensor *absorb_expand(bpi_node *node) {
    bool absorbed = false, map = is_map(node);
    for (int k = 0; k < node->inputs && map; k++)
        while (is_op(node->x[k], &bpi_op_expand)) {
            node->x[k] = node->x[k]->node->x[0];
            absorbed = true;
        }
    if (!absorbed)
        return NULL;
    bp_tensor *small = bp_record(node->op, node->x, node->inputs, node->attr);
    if (!small || small->type == node->y[0].type)
        return NULL; /* the node itself will do: its operands were replaced */
    return bp_expand(small, *shape_of(&node->y[0]));
}

/* ---- constants ------------------------------------------------------------------------------- */

static bool can_fold(const bpi_node *node) {
    enum { MOST = 4 };
    if (node->inputs > 0 && !bpi_is_small_constant(node->x[0]->node))
        return false; /* of most ops, at once */
    bool pure = !(node->op->flags & (BP_OP_RANDOM | BP_OP_EFFECT | BP_OP_LEAF));
    bool fits =
        node->outputs == 1 && node->inputs <= MOST && bpi_count(shape_of(&node->y[0])) <= 64;
    if (!pure || !fits || !node->op->forward || node->op->workspace)
        return false;
    for (int k = 0; k < node->inputs; k++)
        if (!bpi_is_small_constant(node->x[k]->node))
            return false;
    return true;
}

static bp_array array_of(const bp_tensor *x, void *data) {
    return (bp_array){data, x->type, bpi_count(shape_of(x))};
}

/* A small op on small constants is computed once, by the reference kernel. One that fails is
 * left to fail when it is run. */
static bp_tensor *fold(bpi_node *node) {
    if (!can_fold(node))
        return NULL;
    bp_array x[4], y;
    _Alignas(64) char data[64 * sizeof(double)];
    for (int k = 0; k < node->inputs; k++)
        x[k] = array_of(node->x[k], (void *)node->x[k]->node->leaf->data);
    y = array_of(&node->y[0], data);
    bp_failure why = {.status = BP_OK};
    bp_call call = {.op = node->op,
                    .attr = node->attr,
                    .inputs = node->inputs,
                    .outputs = 1,
                    .x = x,
                    .y = &y,
                    .why = &why};
    if (node->op->forward(&call) != BP_OK)
        return NULL;
    return bp_constant(node->graph, node->y[0].type->dtype, *shape_of(&node->y[0]), data);
}

/* ---- the table ------------------------------------------------------------------------------- */

/* What is tried for one op alone, after absorb_expand, since they look at the operands, and before
 * fold. */
static const struct {
    const bp_op *op;
    rule *apply;
} rules[] = {
    {&bpi_op_detach, drop},
    {&bpi_op_cast, drop},
    {&bpi_op_reshape, skip_inner},
    {&bpi_op_expand, skip_inner},
    {&bpi_op_neg, cancel_negation},
    {&bpi_op_mul, drop_factor_one},
    {&bpi_op_div, drop_factor_one},
    {&bpi_op_sum, drop_sum},
    {&bpi_op_permute, simplify_permute},
    {&bpi_op_matmul, absorb_transposes},
};

bp_tensor *bpi_simplify(bpi_node *node) {
    enum { RULES = sizeof rules / sizeof *rules };
    const bp_status *failed = &node->graph->why.status;
    bp_tensor *result = absorb_expand(node);
    size_t k = 0;
    while (k < RULES && rules[k].op != node->op)
        k++;
    if (!result && *failed == BP_OK && k < RULES)
        result = rules[k].apply(node);
    if (!result && *failed == BP_OK)
        result = fold(node);
    return result;
}
