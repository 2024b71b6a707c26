/* The value of formulas on arrays: plain loops in double, sharing no code with the kernels. */
#ifndef BPI_FORMULA_ARRAY_H
#define BPI_FORMULA_ARRAY_H

#include <backprop/op.h>

#include "formula.h"

/* Values in row-major order; memory of the arena in use. */
typedef struct bpi_nd {
    bp_shape shape;
    double *data;
} bpi_nd;

/* What a name means: an array, or a list of numbers (an attribute such as axes). */
typedef struct bpi_nd_binding {
    const char *name;
    bpi_nd value;
    const bp_attr *list; /* NULL: an array */
} bpi_nd_binding;

typedef struct bpi_nd_scope {
    const bpi_nd_binding *bindings;
    int count;
    bpi_arena *arena;
    bp_failure *why;
} bpi_nd_scope;

/* Evaluates an expression. Sums over axes keep them with size 1. BP_ERR_UNSUPPORTED for functions
 * that have no meaning here, BP_ERR_SHAPE for operands that do not fit. */
bp_status bpi_nd_value(const bpi_expr *expr, const bpi_nd_scope *scope, bpi_nd *value);

/* A new array of a shape, zeroed; data NULL when memory is short. */
bpi_nd bpi_nd_new(bpi_arena *arena, bp_shape shape);
/* The values of a tensor, which is evaluated for it. */
bp_status bpi_nd_of(bp_tensor *tensor, bpi_arena *arena, bpi_nd *value);
/* Sums over the dimensions in which x is larger than `shape`, and gives it that shape. */
bp_status bpi_nd_sum_to(const bpi_nd *x, const bp_shape *shape, bpi_arena *arena, bpi_nd *value);
/* Swaps the last two dimensions. */
bp_status bpi_nd_transpose(const bpi_nd *x, bpi_arena *arena, bpi_nd *value);

/* The formulas of one recorded op on the values of its operands and results. */
typedef struct bpi_nd_node {
    const bp_op *op;
    const bp_attr *attr;
    int inputs, outputs;
    const bpi_nd *x, *y; /* operands and results */
    const bpi_nd *gy;    /* cotangents of the results; data NULL where none arrives */
} bpi_nd_node;

/* Evaluates the gradient formula for operand k. */
bp_status bpi_nd_gradient(const bpi_nd_node *node, int k, bpi_arena *arena, bpi_nd *gx,
                          bp_failure *why);
/* Evaluates the formula for result k. */
bp_status bpi_nd_forward(const bpi_nd_node *node, int k, bpi_arena *arena, bpi_nd *y,
                         bp_failure *why);

#endif
