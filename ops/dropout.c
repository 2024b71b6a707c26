/* Dropout: zeroes elements at random while training, and scales the others so that the expected
 * value stays. For evaluation record the network without it.
 *
 * Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov: "Dropout: a simple way to prevent
 * neural networks from overfitting", JMLR 2014 (inverted form).
 *
 * The mask is a function of seed, step and the ordinal of the op in its recording, never of the
 * values or of the dtype: gradient and replay see the same one, f32 and f64 too. */
#include "record.h"

#include "graph.h"
#include "random.h"

static bp_status infer(bp_signature *s) {
    double rate = s->attr[0].as.f;
    if (!(rate >= 0 && rate < 1))
        return bp_infer_fail(
            s, BP_ERR_ARGUMENT,
            "rate %g is not in [0,1): it is the share of elements that become zero", rate);
    return bp_infer_float(s);
}

/* ---- the mask -------------------------------------------------------------------------------- */

/* Element i takes word i % 4 of block i / 4 of the stream (step, ordinal) of the seed; it is
 * dropped when the word is below rate 2³². */
static bp_status mask_forward(const bp_call *call) {
    double rate = call->attr[0].as.f;
    uint64_t limit = (uint64_t)(rate * 0x1p32);
    uint64_t stream = call->random[2] << 32 | (uint32_t)call->random[1];
    uint32_t words[4] = {0};
    for (int64_t i = 0; i < call->y->count; i++) {
        if (i % 4 == 0)
            bpi_philox(call->random[0], (uint64_t)i / 4, stream, words);
        double value = words[i % 4] < limit ? 0 : 1 / (1 - rate);
        bpi_store(call->y->type->dtype, call->y->data, i, value);
    }
    return BP_OK;
}

static void mask_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 20, flops, bytes);
}

const bp_op bpi_op_dropout_mask = {
    .name = "dropout_mask",
    .summary = "Zeros with probability `rate`, elsewhere 1 / (1 - rate), in the shape of x.",
    .arity = 1,
    .operands = {{.name = "x", .no_gradient = true}},
    .attrs = {{"rate", BP_ATTR_REAL}, {"ordinal", BP_ATTR_INT}},
    .flags = BP_OP_RANDOM | BP_OP_ZERO_GRADIENT | BP_OP_NO_SECOND,
    .infer = infer,
    .forward = mask_forward,
    .cost = mask_cost,
    .formula = "y = dropout_mask(x, rate, ordinal)",
    .source = "Philox4x32-10, Salmon et al. 2011",
    .samples =
        (const char *const[]){"[20] | rate=0.3 ordinal=0", "[] | rate=0 ordinal=1",
                              "[4,5] | rate=0.5 ordinal=7", "[0,3] | rate=0.5 ordinal=2", NULL},
};

/* ---- dropout --------------------------------------------------------------------------------- */

static bp_tensor *lower(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    (void)inputs;
    return bp_mul(x[0], bpi_record1(&bpi_op_dropout_mask, x[0], attr));
}

static void dropout_vjp(bp_vjp *v) {
    v->gx[0] = bp_mul(v->gy[0], bpi_record1(&bpi_op_dropout_mask, v->x[0], v->attr));
}

const bp_op bpi_op_dropout = {
    .name = "dropout",
    .summary = "Zeroes elements with probability `rate` and divides the others by 1 - rate.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .attrs = {{"rate", BP_ATTR_REAL}, {"ordinal", BP_ATTR_INT}},
    .flags = BP_OP_RANDOM | BP_OP_LINEAR | BP_OP_NO_SECOND,
    .infer = infer,
    .vjp = dropout_vjp,
    .lower = lower,
    .formula = "y = x * dropout_mask(x, rate, ordinal)",
    .gradient = "gx = gy * dropout_mask(x, rate, ordinal)",
    .source = "Srivastava et al. 2014",
    .samples = (const char *const[]){"[20] | rate=0.3 ordinal=0", "[] | rate=0 ordinal=1",
                                     "[4,5] | rate=0.5 ordinal=7", "[2,3,2] | rate=0.1 ordinal=3",
                                     "[0,3] | rate=0.5 ordinal=2", NULL},
};

bp_tensor *bp_dropout(bp_tensor *x, double rate) {
    return bpi_record1(&bpi_op_dropout, x, (bp_attr[]){bp_attr_real(rate), bp_attr_int(-1)});
}
