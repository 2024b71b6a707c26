/* The list of all built-in ops, made from ops/list.def. */
#ifndef BPI_REGISTRY_H
#define BPI_REGISTRY_H

#include <backprop/op.h>

extern const bp_op *const bpi_ops[]; /* ended by NULL */
extern const int bpi_op_count;

#endif
