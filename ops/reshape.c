/* The same elements in the same order under another shape. No copy: the result has the bytes of
 * x. */
#include "record.h"

#include <stddef.h>
#include <string.h>

#include "text.h"

/* Replaces a size of -1 by what the number of elements leaves for it; false when there is no such
 * number, more than one -1, or another negative size. */
static bool complete(bp_shape *shape, int64_t count) {
    int unknown = -1;
    bp_shape known = *shape;
    for (int k = 0; k < shape->rank; k++)
        if (shape->size[k] == -1) {
            if (unknown >= 0)
                return false;
            unknown = k;
            known.size[k] = 1;
        }
    int64_t rest = bp_shape_count(known);
    if (unknown < 0)
        return rest >= 0;
    if (rest <= 0 || count % rest != 0)
        return false;
    shape->size[unknown] = count / rest;
    return true;
}

/* Says which size could change so that the elements fit: one of them, the others as they are. */
static void suggest(const bp_shape *shape, int64_t count, char *out, size_t size) {
    out[0] = '\0';
    for (int k = 0; k < shape->rank; k++) {
        bp_shape other = *shape;
        other.size[k] = -1;
        char text[BPI_SHAPE_TEXT];
        if (!complete(&other, count))
            continue;
        bpi_format(out, size, "; did you mean %s? One size may be -1: it is worked out",
                   bpi_shape_text(&other, text));
        return;
    }
}

static bp_status reshape_infer(bp_signature *s) {
    char from[BPI_SHAPE_TEXT], to[BPI_SHAPE_TEXT], hint[BPI_SHAPE_TEXT + 80];
    const bp_attr *attr = &s->attr[0];
    int64_t count = bp_shape_count(s->x[0].shape);
    bp_shape y = {.rank = attr->count};
    if (attr->count > BP_MAX_RANK)
        return bp_infer_fail(s, BP_ERR_SHAPE, "%d dimensions are more than %d", attr->count,
                             BP_MAX_RANK);
    if (attr->count > 0)
        memcpy(y.size, attr->as.list, (size_t)attr->count * sizeof y.size[0]);
    bp_shape asked = y;
    bpi_shape_text(&s->x[0].shape, from);
    bpi_shape_text(&asked, to);
    if (!complete(&y, count))
        return bp_infer_fail(s, BP_ERR_SHAPE,
                             "%s (%lld elements) does not fit %s: one size may be -1, where the "
                             "others divide the number of elements",
                             from, (long long)count, to);
    if (bp_shape_count(y) != count) {
        suggest(&y, count, hint, sizeof hint);
        return bp_infer_fail(s, BP_ERR_SHAPE, "%s has %lld elements, %s has %lld%s", from,
                             (long long)count, to, (long long)bp_shape_count(y), hint);
    }
    s->y[0] = (bp_type){s->x[0].dtype, y};
    return BP_OK;
}

static void reshape_vjp(bp_vjp *v) { v->gx[0] = bp_reshape(v->gy[0], bp_tensor_shape(v->x[0])); }

static bp_status reshape_forward(const bp_call *call) {
    size_t bytes = (size_t)call->y[0].count * bp_dtype_size(call->y[0].type->dtype);
    if (bytes && call->y[0].data != call->x[0].data)
        memcpy(call->y[0].data, call->x[0].data, bytes);
    return BP_OK;
}

static void reshape_cost(const bp_signature *s, double *flops, double *bytes) {
    (void)s;
    *flops = *bytes = 0;
}

const bp_op bpi_op_reshape = {
    .name = "reshape",
    .summary = "The same elements in the same order under another shape.",
    .arity = 1,
    .operands = {{"x", false}},
    .attrs = {{"shape", BP_ATTR_INTS}},
    .flags = BP_OP_LINEAR | BP_OP_ALIAS,
    .infer = reshape_infer,
    .vjp = reshape_vjp,
    .forward = reshape_forward,
    .cost = reshape_cost,
    .formula = "y = reshape(x, shape)",
    .gradient = "gx = reshape(gy, x)",
    .source = "NumPy's reshape",
    .samples =
        (const char *const[]){"[2,6] | shape=(3,4)", "[2,6] | shape=(-1)", "[12] | shape=(2,-1,3)",
                              "[1] | shape=()", "[] | shape=(1,1)", "[2,3] | shape=(2,3)",
                              "[0,3] | shape=(3,0)", "[2,3]:i32 | shape=(6)", NULL},
};

bp_tensor *bp_reshape(bp_tensor *x, bp_shape shape) {
    if (shape.rank < 0 || shape.rank > BP_MAX_RANK)
        return bpi_record_fail(x, BP_ERR_SHAPE,
                               "reshape: the shape has %d dimensions; 0 to %d can be", shape.rank,
                               BP_MAX_RANK);
    bp_attr attrs[] = {bp_attr_ints(shape.size, shape.rank)};
    return bpi_record1(&bpi_op_reshape, x, attrs);
}
