/* What the reductions over axes share. */
#ifndef BPI_REDUCE_OPS_H
#define BPI_REDUCE_OPS_H

#include "kernel/reduce.h"
#include "record.h"

/* The attributes of every reduction: which axes, and whether they stay with size 1. */
#define BPI_REDUCE_ATTRS                                \
    {                                                   \
        {"axes", BP_ATTR_INTS}, { "keep", BP_ATTR_INT } \
    }

/* Records a reduction; axes that are out of range or repeated are left to the shape rule. */
bp_tensor *bpi_record_reduce(const bp_op *op, bp_tensor *x, bp_axes axes, bool keep);
/* The shape rule: the result without the reduced axes, or with size 1 where they are kept. */
bp_status bpi_infer_reduce(bp_signature *s);
/* The set of axes of checked attributes as bits. */
unsigned bpi_axes_mask(const bp_attr *attr, int rank);
/* Records what a reduction gave, or its cotangent, with the reduced axes as size 1. */
bp_tensor *bpi_with_axes(bp_tensor *y, bp_tensor *x, const bp_attr *attr);
/* Works out the reduction of a call of a kernel, and of a node before there is data. */
bpi_reduction bpi_reduction_call(const bp_call *call);
bpi_reduction bpi_reduction_signature(const bp_signature *s);

#endif
