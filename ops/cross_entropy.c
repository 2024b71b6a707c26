/* Softmax cross-entropy: the loss of classification. The target holds class numbers, or a probability
 * for every class.
 *
 * Bridle 1990; the gradient of softmax and cross-entropy together is (p - t) / n, which neither
 * overflows nor divides. Probabilities need not sum to 1: their sum is then the weight of the sample. */
#include "record.h"

#include "text.h"

static bool is_index(bp_dtype dtype) { return dtype == BP_I32 || dtype == BP_I64; }

/* ---- the shape rule --------------------------------------------------------------------------- */

static bp_status infer_classes(bp_signature *s) {
    bp_shape samples = s->x[0].shape, target = s->x[1].shape;
    samples.rank--;
    if (bp_shape_equal(samples, target))
        return BP_OK;
    char have[BPI_SHAPE_TEXT], want[BPI_SHAPE_TEXT];
    const char *hint = "one class number for every sample";
    if (bp_shape_equal(s->x[0].shape, target))
        hint = "one class number for every sample; if these are probabilities, bp_cast them to the "
               "dtype of the logits";
    else if (bp_shape_count(samples) == bp_shape_count(target))
        hint = "did you mean to bp_reshape the target?";
    return bp_infer_fail(s, BP_ERR_SHAPE, "an integer target must have shape %s, not %s: %s",
                         bpi_shape_text(&samples, want), bpi_shape_text(&target, have), hint);
}

static bp_status infer_probabilities(bp_signature *s) {
    bp_shape samples = s->x[0].shape;
    samples.rank--;
    if (bp_shape_equal(samples, s->x[1].shape))
        return bp_infer_fail(s, BP_ERR_DTYPE,
                             "class numbers must be i32 or i64, not %s; bp_cast them, or give "
                             "probabilities in the shape of the logits",
                             bp_dtype_name(s->x[1].dtype));
    return bp_infer_same(s);
}

static bp_status infer(bp_signature *s) {
    if (!bp_dtype_is_float(s->x[0].dtype))
        return bp_infer_fail(s, BP_ERR_DTYPE, "logits must be f32 or f64, not %s",
                             bp_dtype_name(s->x[0].dtype));
    if (s->x[0].shape.rank < 1)
        return bp_infer_fail(s, BP_ERR_SHAPE, "logits need a last dimension: one logit per class");
    bp_status status = is_index(s->x[1].dtype) ? infer_classes(s) : infer_probabilities(s);
    s->y[0] = (bp_type){.dtype = s->x[0].dtype, .shape = BP_SCALAR};
    return status;
}

/* ---- the op ----------------------------------------------------------------------------------- */

static int64_t class_count(bp_tensor *logits) {
    bp_shape shape = bp_tensor_shape(logits);
    return shape.size[shape.rank - 1];
}

static double sample_count(bp_tensor *logits) {
    bp_shape shape = bp_tensor_shape(logits);
    shape.rank--;
    return (double)bp_shape_count(shape);
}

/* With class numbers a choice, not a product: a logit of -inf in another class is no 0 * inf. A number
 * that is no class fails in one_hot. */
static bp_tensor *lower(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    (void)inputs, (void)attr;
    bp_tensor *logits = x[0], *target = x[1];
    bp_tensor *log_p = bp_log_softmax(logits, -1), *chosen;
    if (is_index(bp_tensor_dtype(target)))
        chosen = bp_where(bp_one_hot(target, class_count(logits), BP_BOOL), log_p,
                          bpi_scalar_like(logits, 0));
    else
        chosen = bp_mul(target, log_p);
    bp_tensor *sum = bp_sum(chosen, BP_ALL, false);
    return bp_mul(sum, bpi_scalar_like(logits, -1 / sample_count(logits)));
}

static void cross_entropy_vjp(bp_vjp *v) {
    bp_tensor *logits = v->x[0], *target = v->x[1];
    double share = sample_count(logits) > 0 ? 1 / sample_count(logits) : 0;
    bp_tensor *g = bp_mul(v->gy[0], bpi_scalar_like(logits, share));
    if (v->need[0]) {
        bp_tensor *p = bp_softmax(logits, -1), *t = target;
        if (is_index(bp_tensor_dtype(target)))
            t = bp_one_hot(target, class_count(logits), bp_tensor_dtype(logits));
        else
            p = bp_mul(p, bp_sum(target, BP_AXES(-1), true));
        v->gx[0] = bp_mul(bp_sub(p, t), g);
    }
    if (v->need[1])
        v->gx[1] = bp_mul(bp_neg(bp_log_softmax(logits, -1)), g);
}

const bp_op bpi_op_cross_entropy = {
    .name = "cross_entropy",
    .summary = "The mean over samples of the cross-entropy of softmax(logits) and a target: class "
               "numbers, or probabilities, which one_hot leaves as they are.",
    .arity = 2,
    .operands = {{.name = "logits"}, {.name = "target"}},
    .infer = infer,
    .vjp = cross_entropy_vjp,
    .lower = lower,
    .formula = "n = size(logits) / size(logits, -1); t = one_hot(target, logits); "
               "y = -sum(t * log_softmax(logits, -1)) / n",
    .gradient = "n = size(logits) / size(logits, -1); t = one_hot(target, logits); "
                "glogits = gy / n * (softmax(logits, -1) * sum(t, -1) - t); "
                "gtarget = -gy / n * log_softmax(logits, -1)",
    .source = "as in PyTorch",
    .samples =
        (const char *const[]){"[4,5] [4,5]:prob", "[4,5] [4]:i64{4,0,2,2}", "[1,3] [1]:i32{1}",
                              "[3] []:i64{2}", "[3] [3]:prob", "[2,3,4] [2,3]:i64<4",
                              "[2,3,4] [2,3,4]", "[3,4](-5,5) [3]:i32<4", "[0,3] [0]:i64<3", NULL},
};

bp_tensor *bp_cross_entropy(bp_tensor *logits, bp_tensor *target) {
    return bpi_record2(&bpi_op_cross_entropy, logits, target, NULL);
}
