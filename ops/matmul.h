/* What a matmul is as a product of matrices, for whoever runs it together with other ops. */
#ifndef BPI_OPS_MATMUL_H
#define BPI_OPS_MATMUL_H

#include <backprop/op.h>

#include "kernel/gemm.h"

/* Tells whether a matmul of these types is a single product of matrices, and then which. */
bool bpi_matmul_product(const bp_type *a, const bp_type *b, const bp_type *y, const bp_attr *attr,
                        bpi_product *product);

#endif
