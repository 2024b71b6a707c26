/* The shape rules that many ops share: NumPy broadcasting, one dtype, floats only. */
#include "record.h"

#include "graph.h"

/* ---- broadcasting ---------------------------------------------------------------------------- */

/* Aligns the last dimensions; sizes must be equal, or one of them 1 or missing. */
static bool broadcast(const bp_shape *a, const bp_shape *b, bp_shape *out) {
    bp_shape y = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int k = 1; k <= y.rank; k++) {
        int64_t m = k <= a->rank ? a->size[a->rank - k] : 1;
        int64_t n = k <= b->rank ? b->size[b->rank - k] : 1;
        if (m != n && m != 1 && n != 1)
            return false;
        y.size[y.rank - k] = m == 1 ? n : m;
    }
    *out = y;
    return true;
}

static bool fits_transposed(const bp_shape *a, const bp_shape *b) {
    bp_shape t = *a, ignored;
    if (t.rank < 2 || b->rank < 2)
        return false;
    t.size[t.rank - 1] = a->size[a->rank - 2];
    t.size[t.rank - 2] = a->size[a->rank - 1];
    return broadcast(&t, b, &ignored);
}

/* Tells whether `small` fits `large` once sizes of 1 stand behind it, and fills that shape. */
static bool fits_with_ones(const bp_shape *small, const bp_shape *large, bp_shape *padded) {
    bp_shape ignored;
    *padded = *small;
    while (padded->rank < large->rank)
        padded->size[padded->rank++] = 1;
    return small->rank > 0 && small->rank < large->rank && broadcast(padded, large, &ignored);
}

/* Says what was probably meant by two shapes that do not broadcast. */
static void suggest(const bp_shape *a, const bp_shape *b, char *out, size_t size) {
    const bp_shape *small = a->rank < b->rank ? a : b, *large = small == a ? b : a;
    bool product = a->rank >= 2 && b->rank >= 2 && a->size[a->rank - 1] == b->size[b->rank - 2];
    char from[BPI_SHAPE_TEXT], to[BPI_SHAPE_TEXT];
    bp_shape padded;
    if (a->rank == 1 && b->rank == 1)
        bpi_format(out, size,
                   "for all products x_i y_j use bp_outer, for other pairs bp_reshape one of them "
                   "to [%lld,1]",
                   (long long)a->size[0]);
    else if (fits_with_ones(small, large, &padded))
        bpi_format(out, size, "did you mean to bp_reshape the %s to %s?",
                   bpi_shape_text(small, from), bpi_shape_text(&padded, to));
    else if (fits_transposed(a, b))
        bpi_format(out, size, "did you mean to bp_transpose one of them%s?",
                   product ? ", or the matrix product bp_matmul" : "");
    else if (product)
        bpi_format(out, size, "did you mean the matrix product bp_matmul?");
    else if (bp_shape_count(*a) == bp_shape_count(*b))
        bpi_format(out, size, "both have %lld elements: did you mean to bp_reshape one of them?",
                   (long long)bp_shape_count(*a));
    else
        bpi_format(out, size,
                   "counted from the last dimension, sizes must be equal, or one of "
                   "them 1 or missing");
}

static bp_status fail_broadcast(bp_signature *s, const bp_shape *a, const bp_shape *b) {
    char first[BPI_SHAPE_TEXT], second[BPI_SHAPE_TEXT], hint[200];
    suggest(a, b, hint, sizeof hint);
    return bp_infer_fail(s, BP_ERR_SHAPE, "shapes %s and %s do not broadcast; %s",
                         bpi_shape_text(a, first), bpi_shape_text(b, second), hint);
}

bp_status bpi_infer_broadcast_shapes(bp_signature *s, bp_shape *out) {
    *out = s->x[0].shape;
    for (int k = 1; k < s->inputs; k++)
        if (!broadcast(out, &s->x[k].shape, out))
            return fail_broadcast(s, out, &s->x[k].shape);
    return BP_OK;
}

/* ---- dtypes ---------------------------------------------------------------------------------- */

bp_status bpi_infer_one_dtype(bp_signature *s, int first) {
    for (int k = first + 1; k < s->inputs; k++)
        if (s->x[k].dtype != s->x[first].dtype)
            return bp_infer_fail(
                s, BP_ERR_DTYPE,
                "operands are %s and %s; there is no promotion: bp_cast one of them",
                bp_dtype_name(s->x[first].dtype), bp_dtype_name(s->x[k].dtype));
    return BP_OK;
}

static bp_status require_float(bp_signature *s) {
    if (bp_dtype_is_float(s->x[0].dtype))
        return BP_OK;
    return bp_infer_fail(s, BP_ERR_DTYPE, "works on f32 and f64, not on %s; bp_cast it first",
                         bp_dtype_name(s->x[0].dtype));
}

/* ---- whole rules ----------------------------------------------------------------------------- */

bp_status bp_infer_same(bp_signature *s) {
    bp_status status = bpi_infer_one_dtype(s, 0);
    for (int k = 1; status == BP_OK && k < s->inputs; k++)
        if (!bp_shape_equal(s->x[0].shape, s->x[k].shape)) {
            char first[BPI_SHAPE_TEXT], second[BPI_SHAPE_TEXT];
            status = bp_infer_fail(s, BP_ERR_SHAPE,
                                   "shapes %s and %s differ; there is no broadcasting here: "
                                   "bp_reshape or bp_expand one of them",
                                   bpi_shape_text(&s->x[0].shape, first),
                                   bpi_shape_text(&s->x[k].shape, second));
        }
    s->y[0] = s->x[0];
    return status;
}

bp_status bp_infer_broadcast(bp_signature *s) {
    s->y[0].dtype = s->x[0].dtype;
    bp_status status = bpi_infer_one_dtype(s, 0);
    return status == BP_OK ? bpi_infer_broadcast_shapes(s, &s->y[0].shape) : status;
}

bp_status bp_infer_float(bp_signature *s) {
    bp_status status = require_float(s);
    return status == BP_OK ? bp_infer_same(s) : status;
}

bp_status bp_infer_f64(bp_signature *s) {
    if (s->x[0].dtype != BP_F64)
        return bp_infer_fail(s, BP_ERR_DTYPE, "works on f64, not on %s; bp_cast it first",
                             bp_dtype_name(s->x[0].dtype));
    return bp_infer_same(s);
}

bp_status bp_infer_broadcast_float(bp_signature *s) {
    bp_status status = require_float(s);
    return status == BP_OK ? bp_infer_broadcast(s) : status;
}

bp_status bpi_infer_number(bp_signature *s) {
    if (s->x[0].dtype == BP_BOOL)
        return bp_infer_fail(s, BP_ERR_DTYPE,
                             "does not work on bool; bp_cast it to a number first");
    return bp_infer_broadcast(s);
}
