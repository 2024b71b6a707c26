/* The short list of ops that the planner knows by name; everything else it treats by what the
 * record says. */
#ifndef BPI_PLAN_PRIMITIVES_H
#define BPI_PLAN_PRIMITIVES_H

#include <backprop/op.h>

extern const bp_op bpi_op_add, bpi_op_mul, bpi_op_div, bpi_op_neg, bpi_op_cast, bpi_op_detach;
extern const bp_op bpi_op_matmul, bpi_op_sum;
extern const bp_op bpi_op_reshape, bpi_op_permute, bpi_op_expand;

#endif
