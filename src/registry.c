/* The registry: the one list of built-in ops, from ops/list.def. */
#include "registry.h"

#include <string.h>

#define BPI_OP(file, op) extern const bp_op bpi_op_##op;
#include "ops/list.def"
#undef BPI_OP

const bp_op *const bpi_ops[] = {
#define BPI_OP(file, op) &bpi_op_##op,
#include "ops/list.def"
#undef BPI_OP
    NULL};

const int bpi_op_count = (int)(sizeof bpi_ops / sizeof bpi_ops[0]) - 1;

const bp_op *bp_op_at(int index) {
    return index >= 0 && index < bpi_op_count ? bpi_ops[index] : NULL;
}

const bp_op *bp_op_find(const char *name) {
    for (int k = 0; name && k < bpi_op_count; k++)
        if (strcmp(bpi_ops[k]->name, name) == 0)
            return bpi_ops[k];
    return NULL;
}
