/* The reference of every elementwise op with a map slot: the portable kernel of the slot, called on
 * blocks of the output. Operands that are broadcast are first spread out over the block. */
#include "record.h"

#include <string.h>

#include "graph.h"

enum { BLOCK = 256, MOST_OPERANDS = 3 };

void bpi_map_attrs(const bp_op *op, const bp_attr *attr, double out[BP_MAX_ATTRS]) {
    for (int k = 0; k < BP_MAX_ATTRS; k++)
        out[k] = 0;
    for (int k = 0; k < bpi_op_attrs(op); k++)
        if (attr[k].type != BP_ATTR_INTS)
            out[k] = attr[k].type == BP_ATTR_REAL ? attr[k].as.f : (double)attr[k].as.i;
}

static void *at(const bp_array *a, int64_t index) {
    return (char *)a->data + (size_t)index * bp_dtype_size(a->type->dtype);
}

/* Copies elements first .. first+n of an operand, broadcast to `shape`, to `out`. */
static void spread(const bp_array *x, const bp_shape *shape, int64_t first, int64_t n, char *out) {
    const bp_shape *own = &x->type->shape;
    int64_t size = (int64_t)bp_dtype_size(x->type->dtype);
    int64_t stride[BP_MAX_RANK], index[BP_MAX_RANK], offset = 0, step = size;
    for (int k = shape->rank - 1, j = own->rank - 1; k >= 0; k--, j--) {
        stride[k] = j >= 0 && own->size[j] != 1 ? step : 0;
        step *= j >= 0 ? own->size[j] : 1;
        index[k] = first % shape->size[k];
        first /= shape->size[k];
        offset += index[k] * stride[k];
    }
    for (int64_t i = 0; i < n; i++, out += size) {
        memcpy(out, (const char *)x->data + offset, (size_t)size);
        for (int k = shape->rank - 1; k >= 0; k--) {
            offset += stride[k];
            if (++index[k] < shape->size[k])
                break;
            offset -= index[k] * stride[k];
            index[k] = 0;
        }
    }
}

/* Says at which element of a block a kernel failed, by running it on one element at a time. */
static bp_status explain(const bp_call *call, bpi_map_fn *kernel, const void *const *x,
                         const double *attr, int64_t first, int64_t n, bp_status status) {
    const bp_array *last = &call->x[call->inputs - 1];
    for (int64_t i = 0; i < n; i++) {
        uint64_t result;
        const void *one[MOST_OPERANDS];
        for (int k = 0; k < call->inputs; k++)
            one[k] = (const char *)x[k] + (size_t)i * bp_dtype_size(call->x[k].type->dtype);
        if (kernel(1, one, &result, attr) != BP_OK)
            return bp_kernel_fail(
                call, status, "%s: %.0f by %.0f at element %lld", bp_status_text(status),
                bpi_load(call->x[0].type->dtype, one[0], 0),
                bpi_load(last->type->dtype, one[call->inputs - 1], 0), (long long)(first + i));
    }
    return bp_kernel_fail(call, status, "%s", bp_status_text(status));
}

bp_status bpi_map_forward(const bp_call *call) {
    const bpi_kernels *kernels = call->op->kernel;
    const bp_array *y = call->y;
    bpi_map_fn *kernel = bpi_map_reference(kernels->map, call->x[call->inputs - 1].type->dtype);
    if (!kernel || call->inputs > MOST_OPERANDS)
        return bp_kernel_fail(call, BP_ERR_UNSUPPORTED, "there is no kernel for %s",
                              bp_dtype_name(call->x[call->inputs - 1].type->dtype));
    double attr[BP_MAX_ATTRS];
    bpi_map_attrs(call->op, call->attr, attr);
    uint64_t spread_out[MOST_OPERANDS][BLOCK];
    for (int64_t first = 0; first < y->count; first += BLOCK) {
        int64_t n = y->count - first < BLOCK ? y->count - first : BLOCK;
        const void *x[MOST_OPERANDS];
        for (int k = 0; k < call->inputs; k++) {
            const bp_array *operand = &call->x[k];
            x[k] = spread_out[k];
            if (operand->count == y->count)
                x[k] = at(operand, first);
            else
                spread(operand, &y->type->shape, first, n, (char *)spread_out[k]);
        }
        bp_status status = kernel((size_t)n, x, at(y, first), attr);
        if (status != BP_OK)
            return explain(call, kernel, x, attr, first, n, status);
    }
    return BP_OK;
}
