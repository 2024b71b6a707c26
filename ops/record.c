/* What op records share: recording with few operands, attributes, constants, failing with words. */
#include "record.h"

#include "graph.h"

/* ---- recording ------------------------------------------------------------------------------- */

bp_tensor *bpi_record1(const bp_op *op, bp_tensor *x, const bp_attr *attrs) {
    return bp_record(op, &x, 1, attrs);
}

bp_tensor *bpi_record2(const bp_op *op, bp_tensor *x, bp_tensor *y, const bp_attr *attrs) {
    return bp_record(op, (bp_tensor *[]){x, y}, 2, attrs);
}

bp_tensor *bpi_record3(const bp_op *op, bp_tensor *x, bp_tensor *y, bp_tensor *z,
                       const bp_attr *attrs) {
    return bp_record(op, (bp_tensor *[]){x, y, z}, 3, attrs);
}

bp_tensor *bpi_full_like(bp_tensor *like, double value) {
    return like ? bp_expand(bpi_scalar_like(like, value), bp_tensor_shape(like)) : NULL;
}

bp_tensor *bpi_scalar_like(bp_tensor *like, double value) {
    return like ? bp_full(bp_tensor_graph(like), bp_tensor_dtype(like), BP_SCALAR, value) : NULL;
}

int bpi_axis(int axis, int rank) {
    if (axis < -rank || axis >= rank)
        return -1;
    return axis < 0 ? axis + rank : axis;
}

/* ---- attributes ------------------------------------------------------------------------------ */

bp_attr bp_attr_int(int64_t value) { return (bp_attr){.type = BP_ATTR_INT, .as.i = value}; }

bp_attr bp_attr_real(double value) { return (bp_attr){.type = BP_ATTR_REAL, .as.f = value}; }

bp_attr bp_attr_ints(const int64_t *list, int count) {
    return (bp_attr){.type = BP_ATTR_INTS, .count = count < 0 ? 0 : count, .as.list = list};
}

bp_attr bp_attr_dtype(bp_dtype dtype) { return (bp_attr){.type = BP_ATTR_DTYPE, .as.i = dtype}; }

/* ---- failing --------------------------------------------------------------------------------- */

BP_FORMAT(3, 0)
static bp_status fail_with(bp_failure *why, bp_status status, const char *format, va_list args) {
    char text[sizeof why->text];
    bpi_vformat(text, sizeof text, format, args);
    return bpi_fail(why, status, "%s", text);
}

bp_status bp_infer_fail(bp_signature *s, bp_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fail_with(s->why, status, format, args);
    va_end(args);
    return status;
}

bp_status bp_kernel_fail(const bp_call *call, bp_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fail_with(call->why, status, format, args);
    va_end(args);
    return status;
}

bp_tensor *bpi_record_fail(bp_tensor *at, bp_status status, const char *format, ...) {
    bp_failure why = {.status = BP_OK};
    va_list args;
    va_start(args, format);
    fail_with(&why, status, format, args);
    va_end(args);
    return at ? bpi_graph_fail(bp_tensor_graph(at), status, "%s", why.text) : NULL;
}

/* ---- costs ----------------------------------------------------------------------------------- */

static double bytes_of(const bp_type *type) {
    return (double)bpi_count(&type->shape) * (double)bp_dtype_size(type->dtype);
}

void bpi_cost_map(const bp_signature *s, double per_element, double *flops, double *bytes) {
    *flops = per_element * (double)bpi_count(&s->y[0].shape);
    *bytes = bytes_of(&s->y[0]);
    for (int k = 0; k < s->inputs; k++)
        *bytes += bytes_of(&s->x[k]);
}

void bpi_cost_move(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 0, flops, bytes);
}
