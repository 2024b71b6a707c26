/* Draws the operands of a sample: at random, then again where an element comes closer to a kink
 * than the margin, or leaves the domain. So a difference never straddles a kink, and no mismatch
 * has to be excused. */
#include <math.h>

#include "../graph.h"
#include "../random.h"
#include "condition.h"
#include "sample.h"

static const double margin = 0.05;
enum { ROUNDS = 1000 };

/* Rounds to 20 significant bits: f32 and f64 then hold the same number, and products of two are
 * exact in f64. */
static double round_bits(double value) {
    int exponent;
    double fraction = frexp(value, &exponent);
    return ldexp(nearbyint(ldexp(fraction, 20)), exponent - 20);
}

static double draw_element(const bpi_sample_operand *x, bpi_random *random) {
    if (x->kind == BPI_SAMPLE_NORMAL)
        return round_bits(bpi_random_normal(random));
    double value = x->low + (x->high - x->low) * bpi_random_uniform(random);
    return bp_dtype_is_float(x->type.dtype) ? round_bits(value) : floor(value);
}

/* Rows of multiples of 2^-20 that sum to exactly 1. */
static void draw_probabilities(bpi_sample_operand *x, bpi_random *random) {
    int rank = x->type.shape.rank;
    int64_t n = rank ? x->type.shape.size[rank - 1] : 1;
    for (int64_t row = 0; n > 0 && row < x->count / n; row++) {
        double *p = x->values + row * n, sum = 0, rest = 1;
        for (int64_t i = 0; i < n; i++)
            sum += p[i] = 0.1 + bpi_random_uniform(random);
        for (int64_t i = 1; i < n; i++)
            rest -= p[i] = nearbyint(ldexp(p[i] / sum, 20)) * 0x1p-20;
        p[0] = rest;
    }
}

static void draw_operand(bpi_sample_operand *x, bpi_random *random) {
    if (x->kind == BPI_SAMPLE_PROB)
        draw_probabilities(x, random);
    else if (x->kind != BPI_SAMPLE_VALUES)
        for (int64_t i = 0; i < x->count; i++)
            x->values[i] = draw_element(x, random);
}

/* What is given in the string, and probabilities, stay as they are. */
static void redraw(bpi_sample_operand *x, int64_t i, bpi_random *random) {
    if (x->kind == BPI_SAMPLE_NORMAL || x->kind == BPI_SAMPLE_RANGE)
        x->values[i] = draw_element(x, random);
}

/* ---- conditions ------------------------------------------------------------------------------ */

/* One walk over the conditions of an op. */
typedef struct mending {
    bpi_sample *sample;
    bpi_point point;
    bpi_random *random;
    int broken; /* elements that were drawn again */
    bp_failure *why;
} mending;

/* apart(x): draws an element again that comes close to an earlier one. */
static void separate(mending *m, bpi_sample_operand *x) {
    for (int64_t i = 0; i < x->count; i++)
        for (int64_t j = 0; j < i; j++)
            if (fabs(x->values[i] - x->values[j]) < margin) {
                m->broken++;
                redraw(x, i, m->random);
                break;
            }
}

static bp_status mend_elements(mending *m, const bpi_condition *c) {
    bp_status status = BP_OK;
    for (int64_t i = 0; status == BP_OK && i < c->count; i++) {
        double inside;
        status = bpi_condition_distance(c, &m->point, i, &inside, m->why);
        if (status != BP_OK || inside >= margin)
            continue;
        m->broken++;
        for (int k = 0; k < m->sample->inputs; k++)
            if (c->names[k])
                redraw(&m->sample->x[k], bpi_condition_element(c, &m->point, k, i), m->random);
    }
    return status;
}

/* A kink that only integers decide cannot be crossed by a difference: ties are welcome there. */
static bp_status mend(mending *m, const bpi_formula *conditions, bool kinks) {
    bp_status status = BP_OK;
    for (int k = 0; status == BP_OK && k < conditions->count; k++) {
        bpi_condition c;
        status = bpi_condition_of(conditions->statements[k].value, &m->point, &c, m->why);
        if (status != BP_OK || (kinks && !c.floats))
            continue;
        if (!c.apart)
            status = mend_elements(m, &c);
        for (int i = 0; c.apart && i < m->sample->inputs; i++)
            if (c.names[i])
                separate(m, &m->sample->x[i]);
    }
    return status;
}

static bp_status mend_all(mending *m, const bpi_formula *kinks, const bpi_formula *domain) {
    for (int round = 0; round < ROUNDS; round++) {
        m->broken = 0;
        bp_status status = mend(m, kinks, true);
        if (status == BP_OK)
            status = mend(m, domain, false);
        if (status != BP_OK || m->broken == 0)
            return status;
    }
    return bpi_fail(
        m->why, BP_ERR_VALUE,
        "op \"%s\", sample \"%.200s\": no values were found inside the domain and away from "
        "the kinks; widen the range",
        m->sample->op->name, m->sample->text);
}

bp_status bpi_sample_draw(bpi_sample *sample, uint64_t seed, bp_failure *why) {
    bpi_random random = bpi_random_new(seed, bpi_hash_text(sample->text));
    mending m = {.sample = sample, .random = &random, .why = why};
    m.point = (bpi_point){.op = sample->op, .attr = sample->attr, .inputs = sample->inputs};
    for (int k = 0; k < sample->inputs; k++) {
        draw_operand(&sample->x[k], &random);
        m.point.type[k] = &sample->x[k].type;
        m.point.values[k] = sample->x[k].values;
    }
    bpi_formula kinks, domain = {0};
    bp_status status = bpi_formula_parse(sample->op->kinks, true, &kinks, why);
    if (status == BP_OK)
        status = bpi_formula_parse(sample->op->domain, true, &domain, why);
    if (status == BP_OK)
        status = mend_all(&m, &kinks, &domain);
    bpi_formula_free(&kinks);
    bpi_formula_free(&domain);
    return status;
}
