/* Matrix products: y = op(a) op(b) over the last two dimensions, the leading ones broadcast;
 * vectors as NumPy takes them. With rows as samples the gradients are ga = gy bᵀ and gb = aᵀ gy. */
#include "matmul.h"

#include <stddef.h>

#include "graph.h"
#include "kernel/copy.h"
#include "record.h"

enum { TRANSPOSE_A, TRANSPOSE_B };

/* ---- shapes ---------------------------------------------------------------------------------- */

/* A vector is a row on the left of a product and a column on the right of it. */
static bp_shape as_matrix(const bp_shape *shape, int operand) {
    if (shape->rank != 1)
        return *shape;
    int64_t n = shape->size[0];
    return operand == 0 ? BP_SHAPE(1, n) : BP_SHAPE(n, 1);
}

static int64_t rows(const bp_shape *s, bool transposed) {
    return s->size[s->rank - (transposed ? 1 : 2)];
}

static int64_t columns(const bp_shape *s, bool transposed) {
    return s->size[s->rank - (transposed ? 2 : 1)];
}

/* The product of the leading dimensions. */
static int64_t batches(const bp_shape *s) {
    int64_t count = 1;
    for (int k = 0; k < s->rank - 2; k++)
        count *= s->size[k];
    return count;
}

/* Says what was probably meant by two matrices whose inner sizes differ. */
static const char *suggestion(const bp_signature *s, const bp_shape *a, const bp_shape *b, bool ta,
                              bool tb) {
    bool vector_a = s->x[0].shape.rank == 1, vector_b = s->x[1].shape.rank == 1;
    if (vector_a && vector_b)
        return "for all products a_i b_j use bp_outer";
    if (!vector_b && columns(a, ta) == rows(b, !tb))
        return tb ? "did you mean not to transpose the second operand?"
                  : "did you mean to transpose the second operand?";
    if (!vector_a && columns(a, !ta) == rows(b, tb))
        return ta ? "did you mean not to transpose the first operand?"
                  : "did you mean to transpose the first operand?";
    if (!vector_a && !vector_b && columns(b, tb) == rows(a, ta))
        return "did you mean to swap the operands?";
    return "the columns of the first must be as many as the rows of the second";
}

static bp_status fail_inner(bp_signature *s, const bp_shape *a, const bp_shape *b) {
    char left[BPI_SHAPE_TEXT], right[BPI_SHAPE_TEXT];
    bool ta = s->attr[TRANSPOSE_A].as.i, tb = s->attr[TRANSPOSE_B].as.i;
    return bp_infer_fail(s, BP_ERR_SHAPE, "inner sizes differ, %s%s x %s%s; %s",
                         bpi_shape_text(&s->x[0].shape, left), ta ? " transposed" : "",
                         bpi_shape_text(&s->x[1].shape, right), tb ? " transposed" : "",
                         suggestion(s, a, b, ta, tb));
}

/* Broadcasts the leading dimensions of two matrices into those of y. */
static bp_status infer_batches(bp_signature *s, const bp_shape *a, const bp_shape *b, bp_shape *y) {
    y->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int k = 3; k <= y->rank; k++) {
        int64_t m = k <= a->rank ? a->size[a->rank - k] : 1;
        int64_t n = k <= b->rank ? b->size[b->rank - k] : 1;
        if (m != n && m != 1 && n != 1)
            return bp_infer_fail(
                s, BP_ERR_SHAPE,
                "batch sizes %lld and %lld do not broadcast (dimension %d from the end): "
                "they must be equal, or one of them 1 or missing",
                (long long)m, (long long)n, k);
        y->size[y->rank - k] = m == 1 ? n : m;
    }
    return BP_OK;
}

static bp_status check_operands(bp_signature *s) {
    for (int k = 0; k < 2; k++) {
        if (!bp_dtype_is_float(s->x[k].dtype))
            return bp_infer_fail(s, BP_ERR_DTYPE,
                                 "multiplies f32 and f64 only, not %s; bp_cast it first",
                                 bp_dtype_name(s->x[k].dtype));
        if (s->x[k].shape.rank == 0)
            return bp_infer_fail(s, BP_ERR_SHAPE, "operand %s is a scalar; use bp_mul or bp_scale",
                                 s->op->operands[k].name);
        if (s->x[k].shape.rank == 1 && s->attr[k].as.i)
            return bp_infer_fail(
                s, BP_ERR_SHAPE,
                "operand %s is a vector, which has no transpose; leave the flag out",
                s->op->operands[k].name);
    }
    return bpi_infer_one_dtype(s, 0);
}

static bp_status matmul_infer(bp_signature *s) {
    bp_status status = check_operands(s);
    if (status != BP_OK)
        return status;
    bp_shape a = as_matrix(&s->x[0].shape, 0), b = as_matrix(&s->x[1].shape, 1);
    bool ta = s->attr[TRANSPOSE_A].as.i, tb = s->attr[TRANSPOSE_B].as.i;
    if (columns(&a, ta) != rows(&b, tb))
        return fail_inner(s, &a, &b);
    bp_shape y;
    status = infer_batches(s, &a, &b, &y);
    if (status != BP_OK)
        return status;
    int rank = y.rank - 2;
    if (s->x[0].shape.rank > 1)
        y.size[rank++] = rows(&a, ta);
    if (s->x[1].shape.rank > 1)
        y.size[rank++] = columns(&b, tb);
    y.rank = rank;
    s->y[0] = (bp_type){s->x[0].dtype, y};
    return BP_OK;
}

static void matmul_cost(const bp_signature *s, double *flops, double *bytes) {
    bp_shape a = as_matrix(&s->x[0].shape, 0);
    bpi_cost_map(s, 0, flops, bytes);
    *flops = 2 * (double)bp_shape_count(s->y[0].shape) *
             (double)columns(&a, s->attr[TRANSPOSE_A].as.i != 0);
}

/* ---- gradients ------------------------------------------------------------------------------- */

/* A reshape that leaves out what changes nothing. */
static bp_tensor *with_shape(bp_tensor *x, bp_shape shape) {
    return bp_shape_equal(bp_tensor_shape(x), shape) ? x : bp_reshape(x, shape);
}

/* The cotangent with the row or column of size 1 that a vector operand took out of it. */
static bp_tensor *as_product(bp_tensor *gy, const bp_shape *a, const bp_shape *b) {
    bp_shape y = bp_tensor_shape(gy);
    int64_t n = y.rank > 0 ? y.size[y.rank - 1] : 1;
    if (b->rank == 1) {
        y.size[y.rank++] = 1;
        n = 1;
    }
    if (a->rank == 1) {
        y.size[y.rank > 0 ? y.rank - 1 : 0] = 1;
        y.size[y.rank++] = n;
    }
    return with_shape(gy, y);
}

/* [..., m, n] as one matrix [... m, n]. */
static bp_tensor *flat(bp_tensor *x) {
    bp_shape s = bp_tensor_shape(x);
    return with_shape(x, BP_SHAPE(batches(&s) * s.size[s.rank - 2], s.size[s.rank - 1]));
}

/* From the gradient of a matrix to that of the operand: sums over broadcast batches, and takes out
 * what made a vector a matrix. */
static bp_tensor *to_operand(bp_tensor *g, bp_tensor *matrix, bp_tensor *operand) {
    g = bpi_sum_to(g, bp_tensor_shape(matrix));
    return g ? with_shape(g, bp_tensor_shape(operand)) : NULL;
}

static bp_tensor *gradient_a(bp_tensor *gy, bp_tensor *b, bool ta, bool tb) {
    return ta ? bp_matmul_t(b, tb, gy, true) : bp_matmul_t(gy, false, b, !tb);
}

static bp_tensor *gradient_b(bp_tensor *gy, bp_tensor *a, bool ta, bool tb) {
    return tb ? bp_matmul_t(gy, true, a, ta) : bp_matmul_t(a, !ta, gy, false);
}

static void matmul_vjp(bp_vjp *v) {
    bool ta = v->attr[TRANSPOSE_A].as.i, tb = v->attr[TRANSPOSE_B].as.i;
    bp_shape sa = bp_tensor_shape(v->x[0]), sb = bp_tensor_shape(v->x[1]);
    bp_tensor *a = with_shape(v->x[0], as_matrix(&sa, 0));
    bp_tensor *b = with_shape(v->x[1], as_matrix(&sb, 1));
    bp_tensor *gy = as_product(v->gy[0], &sa, &sb);
    if (v->need[0] && gy)
        v->gx[0] = to_operand(gradient_a(gy, b, ta, tb), a, v->x[0]);
    if (!v->need[1] || !gy || !a)
        return;
    if (sb.rank <= 2 && sa.rank > 2 &&
        !ta) /* one product over all rows instead of a sum of products */
        v->gx[1] = to_operand(gradient_b(flat(gy), flat(a), ta, tb), b, v->x[1]);
    else
        v->gx[1] = to_operand(gradient_b(gy, a, ta, tb), b, v->x[1]);
}

/* ---- kernels --------------------------------------------------------------------------------- */

typedef void product_fn(const bpi_product *p, const void *a, const void *b, void *c);

static void reference_f32(const bpi_product *p, const void *a, const void *b, void *c) {
    bpi_gemm_reference_f32(p, a, b, c);
}

static void reference_f64(const bpi_product *p, const void *a, const void *b, void *c) {
    bpi_gemm_reference_f64(p, a, b, c);
}

static void fast_f32(const bpi_product *p, const void *a, const void *b, void *c) {
    bpi_gemm_f32(p, a, b, c);
}

static void fast_f64(const bpi_product *p, const void *a, const void *b, void *c) {
    bpi_gemm_f64(p, a, b, c);
}

/* Where the matrices of a batch lie: strides of the operand along the batch dimensions of y, 0
 * along those that are broadcast. */
static void batch_strides(const bp_shape *x, int batch_rank, int64_t *stride) {
    int64_t step[BP_MAX_RANK + 1];
    bpi_strides(x, step);
    for (int k = 0; k < batch_rank; k++) {
        int at = x->rank - 2 - batch_rank + k;
        stride[k] = at < 0 || x->size[at] == 1 ? 0 : step[at];
    }
}

/* The product of one matrix of each batch. */
static bpi_product product_of(const bp_shape *a, const bp_shape *b, bool ta, bool tb) {
    return (bpi_product){.m = rows(a, ta),
                         .n = columns(b, tb),
                         .k = columns(a, ta),
                         .lda = columns(a, false),
                         .ldb = columns(b, false),
                         .ldc = columns(b, tb),
                         .transpose_a = ta,
                         .transpose_b = tb};
}

bool bpi_matmul_product(const bp_type *x, const bp_type *y, const bp_type *result,
                        const bp_attr *attr, bpi_product *product) {
    bp_shape a = as_matrix(&x->shape, 0), b = as_matrix(&y->shape, 1);
    bool ta = attr[TRANSPOSE_A].as.i, tb = attr[TRANSPOSE_B].as.i;
    *product = product_of(&a, &b, ta, tb);
    product->m *= batches(&a); /* all rows of all batches are one matrix */
    return bp_shape_count(result->shape) > 0 && batches(&b) == 1 && (!ta || batches(&a) == 1);
}

static bp_status run(const bp_call *call, product_fn *multiply) {
    bpi_product p;
    if (call->y[0].count == 0)
        return BP_OK;
    if (bpi_matmul_product(call->x[0].type, call->x[1].type, call->y[0].type, call->attr, &p)) {
        multiply(&p, call->x[0].data, call->x[1].data, call->y[0].data);
        return BP_OK;
    }
    bp_shape a = as_matrix(&call->x[0].type->shape, 0), b = as_matrix(&call->x[1].type->shape, 1);
    p = product_of(&a, &b, call->attr[TRANSPOSE_A].as.i != 0, call->attr[TRANSPOSE_B].as.i != 0);
    bp_shape batch = {.rank = (a.rank > b.rank ? a.rank : b.rank) - 2};
    int64_t stride_a[BP_MAX_RANK], stride_b[BP_MAX_RANK], size = p.m * p.n;
    for (int k = 0; k < batch.rank; k++)
        batch.size[k] = call->y[0].type->shape.size[k];
    batch_strides(&a, batch.rank, stride_a);
    batch_strides(&b, batch.rank, stride_b);
    size_t item = bp_dtype_size(call->y[0].type->dtype);
    for (int64_t i = 0; i * size < call->y[0].count; i++) {
        int64_t at_a = bpi_place(batch.rank, batch.size, stride_a, i) * (int64_t)item;
        int64_t at_b = bpi_place(batch.rank, batch.size, stride_b, i) * (int64_t)item;
        multiply(&p, (const char *)call->x[0].data + at_a, (const char *)call->x[1].data + at_b,
                 (char *)call->y[0].data + i * size * (int64_t)item);
    }
    return BP_OK;
}

static bp_status matmul_forward(const bp_call *call) {
    return run(call, call->y[0].type->dtype == BP_F32 ? reference_f32 : reference_f64);
}

static bp_status matmul_fast(const bp_call *call) {
    return run(call, call->y[0].type->dtype == BP_F32 ? fast_f32 : fast_f64);
}

/* ---- the records ----------------------------------------------------------------------------- */

const bp_op bpi_op_matmul = {
    .name = "matmul",
    .summary = "Matrix product of the last two dimensions, either side transposed; vectors and "
               "broadcasting batches as in NumPy.",
    .arity = 2,
    .operands = {{"a", false}, {"b", false}},
    .attrs = {{"transpose_x", BP_ATTR_INT}, {"transpose_y", BP_ATTR_INT}},
    .flags = BP_OP_LINEAR,
    .infer = matmul_infer,
    .vjp = matmul_vjp,
    .forward = matmul_forward,
    .cost = matmul_cost,
    .formula = "y = a @ b",
    .gradient = "ga = gy @ b'; gb = a' @ gy",
    .source = "NumPy's matmul; gradients: Magnus and Neudecker, Matrix Differential Calculus, 1988",
    .samples = (const char *const[]){"[3] [3] | transpose_x=false transpose_y=false",
                                     "[3] [3,2] | transpose_x=false transpose_y=false",
                                     "[2,3] [3] | transpose_x=false transpose_y=false",
                                     "[3] [2,3,4] | transpose_x=false transpose_y=false",
                                     "[2,4,3] [3] | transpose_x=false transpose_y=false",
                                     "[2,3] [3,4] | transpose_x=false transpose_y=false",
                                     "[3,2] [3,4] | transpose_x=true transpose_y=false",
                                     "[2,3] [4,3] | transpose_x=false transpose_y=true",
                                     "[3,2] [4,3] | transpose_x=true transpose_y=true",
                                     "[3,3] [3,3] | transpose_x=true transpose_y=true",
                                     "[1,4] [4,3] | transpose_x=false transpose_y=false",
                                     "[4,1] [1,3] | transpose_x=false transpose_y=false",
                                     "[1,1] [1,1] | transpose_x=false transpose_y=false",
                                     "[3] [4,3] | transpose_x=false transpose_y=true",
                                     "[3,2] [3] | transpose_x=true transpose_y=false",
                                     "[2,2,3] [2,3,2] | transpose_x=false transpose_y=false",
                                     "[2,3,2] [2,3,2] | transpose_x=true transpose_y=false",
                                     "[2,2,3] [2,2,3] | transpose_x=false transpose_y=true",
                                     "[2,3,2] [2,2,3] | transpose_x=true transpose_y=true",
                                     "[2,2,3] [3,2] | transpose_x=false transpose_y=false",
                                     "[2,2,3] [4,3] | transpose_x=false transpose_y=true",
                                     "[2,3,2] [3,4] | transpose_x=true transpose_y=false",
                                     "[2,3] [2,3,2] | transpose_x=false transpose_y=false",
                                     "[2,1,2,3] [3,3,2] | transpose_x=false transpose_y=false",
                                     "[1,2,3] [2,3,2] | transpose_x=false transpose_y=false",
                                     "[2,0] [0,3] | transpose_x=false transpose_y=false",
                                     "[0,2] [2,3] | transpose_x=false transpose_y=false",
                                     NULL},
    .kernel = &(const bpi_kernels){.fast = matmul_fast},
};

bp_tensor *bp_matmul_t(bp_tensor *x, bool transpose_x, bp_tensor *y, bool transpose_y) {
    bp_attr attrs[] = {bp_attr_int(transpose_x), bp_attr_int(transpose_y)};
    return bpi_record2(&bpi_op_matmul, x, y, attrs);
}

bp_tensor *bp_matmul(bp_tensor *x, bp_tensor *y) { return bp_matmul_t(x, false, y, false); }
