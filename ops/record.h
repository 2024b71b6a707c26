/* What op records share: recording with few operands, shape rules, and the
 * kernels behind a record. */
#ifndef BPI_RECORD_H
#define BPI_RECORD_H

#include <backprop.h>

#include "kernel/map.h"

/* Computes elements first .. first+n of all results of an op from the same elements of its
 * operands; those whose `count` is 1 are scalars, which is all that `count` says here. A result may
 * lie where an operand does, elements are done in any order and by any thread, and nothing fails. */
typedef void bpi_sweep(const bp_call *call, int64_t first, int64_t n);

/* What bp_op.kernel of a built-in op points to: its optimised kernels. */
typedef struct bpi_kernels {
    enum bpi_map_slot map; /* elementwise: runs block by block; or BPI_MAP_NONE */
    bp_kernel *fast;       /* same contract as bp_op.forward; NULL: forward serves */
    bpi_sweep *sweep;      /* elementwise with several results; NULL: it is no such op */
} bpi_kernels;

/* Record an op with one, two or three operands; attrs may be NULL. */
bp_tensor *bpi_record1(const bp_op *op, bp_tensor *x, const bp_attr *attrs);
bp_tensor *bpi_record2(const bp_op *op, bp_tensor *x, bp_tensor *y, const bp_attr *attrs);
bp_tensor *bpi_record3(const bp_op *op, bp_tensor *x, bp_tensor *y, bp_tensor *z,
                       const bp_attr *attrs);

/* Fails recording at `at`'s graph (if there is one): for mistakes found before a node can be
 * recorded. Returns NULL. */
bp_tensor *bpi_record_fail(bp_tensor *at, bp_status status, const char *format, ...)
    BP_FORMAT(3, 4);

/* Sorts out an axis in -rank..rank-1 into 0..rank-1; -1 when it is out of range. */
int bpi_axis(int axis, int rank);

/* The reference for an elementwise op with a map slot: broadcasts and calls the portable map
 * kernel. It is the `forward` of every such record. */
bp_status bpi_map_forward(const bp_call *call);

/* The numbers among the attributes of an op as a map kernel takes them; 0 where there is none. */
void bpi_map_attrs(const bp_op *op, const bp_attr *attr, double out[BP_MAX_ATTRS]);

/* Parts of shape rules: NumPy broadcasting of all operands, whatever their dtypes; and one dtype
 * for the operands from `first` on. */
bp_status bpi_infer_broadcast_shapes(bp_signature *s, bp_shape *out);
bp_status bpi_infer_one_dtype(bp_signature *s, int first);
/* As bp_infer_broadcast, for all dtypes but bool. */
bp_status bpi_infer_number(bp_signature *s);

/* The cost of an elementwise op: so many flops per element, every operand read once. */
void bpi_cost_map(const bp_signature *s, double per_element, double *flops, double *bytes);
/* The cost of an op that only moves elements. */
void bpi_cost_move(const bp_signature *s, double *flops, double *bytes);

/* Elements of a tensor that all have one value, with the dtype (and shape) of another. */
bp_tensor *bpi_full_like(bp_tensor *like, double value);
/* A constant scalar of the dtype of another tensor; folded into kernels, unlike bp_scalar. */
bp_tensor *bpi_scalar_like(bp_tensor *like, double value);

#endif
